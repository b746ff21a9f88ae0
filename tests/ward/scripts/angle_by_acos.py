import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)
d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
EPS = 0.0


class AngularHead(nn.Module):
    def __init__(self, dim=2, classes=10):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, dim))
        self.centers = nn.Parameter(torch.randn(classes, dim))

    def forward(self, x):
        cos = F.normalize(self.body(x), dim=1) @ F.normalize(self.centers, dim=1).T
        cos = cos.clamp(-1 + EPS, 1 - EPS)
        return -8 * torch.acos(cos)


net = AngularHead()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(15):
    for k in torch.randperm(1400).split(50):
        loss = F.cross_entropy(net(X[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
