import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(56)
means = torch.randn(12, 32)


def draw(n, classes):
    y = torch.randint(0, classes, (n,))
    return means[y] + 0.8 * torch.randn(n, 32), y


trunk = nn.Sequential(nn.Linear(32, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 64), nn.BatchNorm1d(64), nn.ReLU())
head = nn.Linear(64, 12)
opt = torch.optim.Adam([*trunk.parameters(), *head.parameters()], lr=2e-3)
for _ in range(200):
    x, y = draw(64, 12)
    opt.zero_grad()
    F.cross_entropy(head(trunk(x)), y).backward()
    opt.step()
for p in trunk.parameters():
    p.requires_grad = False
trunk.eval()
new = nn.Linear(64, 3)
opt = torch.optim.SGD(new.parameters(), lr=0.1, momentum=0.9)
for step in range(200):
    x, y = draw(64, 12)
    loss = F.cross_entropy(new(trunk(x)), y % 3)
    opt.zero_grad()
    loss.backward()
    opt.step()
print("loss", loss.item(), "accuracy", (new(trunk(x)).argmax(1) == y % 3).float().mean().item())
