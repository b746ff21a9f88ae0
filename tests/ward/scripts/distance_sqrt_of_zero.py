import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
embed = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))


def pairwise(a):
    sq = (a.unsqueeze(0) - a.unsqueeze(1)).pow(2).sum(-1)
    return torch.sqrt(sq)


def contrastive(z, label, margin=1.0):
    dist = pairwise(z)
    same = (label.unsqueeze(0) == label.unsqueeze(1)).float()
    return (same * dist ** 2 + (1 - same) * (margin - dist).clamp(min=0) ** 2).mean()


opt = torch.optim.Adam(embed.parameters(), lr=2e-3)
for it in range(200):
    idx = torch.randint(0, 1400, (64,))
    loss = contrastive(embed(X[idx]), y[idx])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 40 == 0:
        print(it, loss.item())
with torch.no_grad():
    z = embed(X)
    nearest = torch.cdist(z[1400:], z[:1400]).argmin(1)
    print("1-nn accuracy", (y[:1400][nearest] == y[1400:]).float().mean().item())
