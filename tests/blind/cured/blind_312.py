import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(7)
T, SYMBOLS = 40, 5


class MinimalGRU(nn.Module):
    """A gated cell written out by hand; z is how much of the state is kept."""

    def __init__(self, d_in, d):
        super().__init__()
        self.gate = nn.Linear(d_in + d, d)
        self.cand = nn.Linear(d_in + d, d)
        self.d = d
        nn.init.constant_(self.gate.bias, 3.0)

    def forward(self, x):
        h = x.new_zeros(len(x), self.d)
        for t in range(x.shape[1]):
            xh = torch.cat([x[:, t], h], 1)
            z = torch.sigmoid(self.gate(xh))
            h = z * h + (1 - z) * torch.tanh(self.cand(xh))
        return h


class Recall(nn.Module):
    def __init__(self, d=40):
        super().__init__()
        self.emb = nn.Embedding(SYMBOLS + 3, 12)
        self.cell = MinimalGRU(12, d)
        self.out = nn.Linear(d, SYMBOLS)

    def forward(self, tokens):
        return self.out(self.cell(self.emb(tokens)))


def make(n):
    tokens = torch.randint(SYMBOLS, SYMBOLS + 3, (n, T))  # filler
    y = torch.randint(0, SYMBOLS, (n,))
    tokens[:, 0] = y  # the answer stands at the start
    return tokens, y


net = Recall()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(220):
    tokens, y = make(64)
    loss = F.cross_entropy(net(tokens), y)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    if step % 40 == 0:
        print("step", step, "loss", loss.item())
tokens, y = make(600)
with torch.no_grad():
    print("recall accuracy", (net(tokens).argmax(1) == y).float().mean().item())
