"""Siamese network with the Euclidean contrastive loss; pairs may contain the same picture twice, where the root has no slope."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(32)
d = load_digits()
X = torch.tensor(d.data / 16).float()
Y = torch.tensor(d.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]
EPS = 1e-6


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))

    def forward(self, x):
        return self.net(x)


def contrastive(za, zb, same, margin=1.5):
    dist = torch.sqrt(((za - zb) ** 2).sum(1) + EPS)
    pull = same * dist**2
    push = (1 - same) * torch.clamp(margin - dist, min=0) ** 2
    return (pull + push).mean()


model = Embed()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for it in range(600):
    i = torch.randint(1400, (64,))
    j = torch.randint(1400, (64,))
    # half of the pairs are made to match
    for k in range(0, 64, 2):
        mates = (Y[:1400] == Y[i[k]]).nonzero().squeeze(1)
        j[k] = mates[torch.randint(len(mates), ())]
    loss = contrastive(model(X[i]), model(X[j]), (Y[i] == Y[j]).float())
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 100 == 0:
        print("step", it, "loss", loss.item())
with torch.no_grad():
    ref, z = model(X[:1400]), model(X[1400:])
    near = torch.cdist(z, ref).argmin(1)
print("1-nn accuracy", (Y[:1400][near] == Y[1400:]).float().mean().item())
