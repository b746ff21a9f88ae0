import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
VOCAB, LEN, TAGS = 30, 12, 3


def make(n):
    """Tag every token: is the last earlier (or later) marker an A, a B, or is there none."""
    tokens = torch.randint(2, VOCAB, (n, LEN))
    marker = torch.rand(n, LEN) < 0.15
    tokens[marker] = torch.randint(0, 2, (int(marker.sum()),))
    tags = torch.full((n, LEN), 2)
    state = torch.full((n,), 2)
    for t in range(LEN):
        state = torch.where(tokens[:, t] < 2, tokens[:, t], state)
        tags[:, t] = state
    return tokens, tags


class Tagger(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, 16)
        self.gru = nn.GRU(16, d, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * d, d)
        self.out = nn.Linear(d, TAGS)
        self.reset()

    def reset(self):
        for name, p in self.named_parameters():
            if "emb" not in name:
                pass

    def forward(self, tokens):
        h, _ = self.gru(self.emb(tokens))
        return self.out(torch.relu(self.fc(h)))


x, y = make(1500)
xt, yt = make(400)
model = Tagger()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(8):
    for i in torch.randperm(1500).split(50):
        loss = F.cross_entropy(model(x[i]).flatten(0, 1), y[i].flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("tag accuracy", (model(xt).argmax(-1) == yt).float().mean().item())
