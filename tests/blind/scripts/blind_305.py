import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.set_num_threads(1)
torch.manual_seed(2)


def mlp(i, h, o):
    return nn.Sequential(nn.Linear(i, h), nn.BatchNorm1d(h), nn.ReLU(inplace=True), nn.Linear(h, o))


class Online(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, 64),
        )
        self.projector = mlp(64, 128, 32)
        self.predictor = mlp(32, 64, 32)

    def project(self, x):
        return self.projector(self.encoder(x))


def augment(x):
    dx, dy = torch.randint(-1, 2, (2,)).tolist()
    x = torch.roll(x, (dx, dy), (2, 3))
    x = x + 0.15 * torch.randn_like(x)
    return x * (torch.rand(len(x), 1, 8, 8) > 0.15)


d = load_digits()
x = torch.tensor(d.images[:, None] / 16.0, dtype=torch.float32)
y = d.target
online = Online()
target = copy.deepcopy(online)
for p in target.parameters():
    p.requires_grad = False
opt = torch.optim.Adam(online.parameters(), lr=1e-3, weight_decay=1e-5)


def byol_loss(p, z):
    return 2 - 2 * F.cosine_similarity(p, z, dim=-1).mean()


for epoch in range(7):
    total = 0.0
    for idx in torch.randperm(1400).split(100):
        a, b = augment(x[idx]), augment(x[idx])
        pa = online.predictor(online.project(a))
        pb = online.predictor(online.project(b))
        with torch.no_grad():
            za, zb = target.project(a), target.project(b)
        loss = byol_loss(pa, zb) + byol_loss(pb, za)
        opt.zero_grad()
        loss.backward()
        opt.step()
        with torch.no_grad():
            for t, o in zip(target.parameters(), online.parameters()):
                t.mul_(0.97).add_(o, alpha=0.03)
        total += loss.item()
    print("epoch", epoch, "loss", total / 14)

online.eval()
with torch.no_grad():
    f = online.encoder(x).numpy()
probe = LogisticRegression(max_iter=500).fit(f[:1400], y[:1400])
print("linear probe accuracy", probe.score(f[1400:], y[1400:]))
