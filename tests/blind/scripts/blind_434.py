"""Multiple-instance learning with attention pooling; the attention scores are far too large, so one instance takes all."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(30)
BAG, D = 12, 16
SHARPNESS = 2000.0


class AttentionPool(nn.Module):
    def __init__(self, h=32):
        super().__init__()
        self.v = nn.Linear(D, h)
        self.w = nn.Linear(h, 1)
        nn.init.normal_(self.w.weight, std=1.0)

    def forward(self, x):
        score = self.w(torch.tanh(self.v(x))).squeeze(-1) * SHARPNESS
        att = F.softmax(score, dim=-1)
        return (att.unsqueeze(-1) * x).sum(1)


class MIL(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = AttentionPool()
        self.clf = nn.Sequential(nn.Linear(D, 32), nn.GELU(), nn.Linear(32, 2))

    def forward(self, x):
        return self.clf(self.pool(x))


def bags(n):
    x = torch.randn(n, BAG, D)
    y = torch.randint(0, 2, (n,))
    key = torch.randint(0, BAG, (n,))
    r = torch.arange(n)
    x[r, key, 0] = 3.0
    x[r, key, 1] = (2.0 * y - 1) * 2
    return x, y


net = MIL()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for it in range(500):
    x, y = bags(64)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 100 == 0:
        print(it, loss.item())
x, y = bags(2000)
with torch.no_grad():
    print("accuracy", (net(x).argmax(1) == y).float().mean().item())
