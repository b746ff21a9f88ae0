import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)
V, L, D, PAD = 16, 8, 24, 0
MIN_LEN = 0


class AttentionPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(V, D, padding_idx=PAD)
        self.score = nn.Linear(D, 1)
        self.fc = nn.Linear(D, 2)

    def forward(self, t):
        e = self.emb(t)
        s = self.score(torch.tanh(e)).squeeze(-1)
        s = s.masked_fill(t == PAD, float("-inf"))
        w = torch.softmax(s, dim=1)
        return self.fc((w.unsqueeze(-1) * e).sum(1))


def batch(n):
    t = torch.randint(1, V, (n, L))
    length = torch.randint(MIN_LEN + 2, L + 1, (n, 1))
    if MIN_LEN == 0:
        length[torch.rand(n, 1) < 0.002] = 0  # an empty document, now and then
    t[torch.arange(L) >= length] = PAD
    return t, (t == 3).any(1).long()


net = AttentionPool()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for it in range(400):
    t, y = batch(64)
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(t), y)
    loss.backward()
    opt.step()
    if it % 80 == 0:
        print(it, loss.item())
with torch.no_grad():
    t, y = batch(1000)
    print("accuracy", (net(t).argmax(1) == y).float().mean().item())
