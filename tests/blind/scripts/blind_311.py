import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class Tower(nn.Module):
    """Embedding tower for proxy-based metric learning."""

    def __init__(self, act=nn.Sigmoid, depth=8, width=64, out=16):
        super().__init__()
        body = []
        for i in range(depth):
            body += [nn.Linear(64 if i == 0 else width, width), act()]
        self.body = nn.Sequential(*body)
        self.out = nn.Linear(width, out)
        for m in self.body:
            if isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, x):
        return self.out(self.body(x))


class ProxyLoss(nn.Module):
    """Every class has a learned proxy; the softmax runs over negative squared distances."""

    def __init__(self, classes=10, d=16):
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, d))

    def forward(self, e, y):
        d2 = (e[:, None] - self.proxies[None]).pow(2).sum(-1)
        return F.cross_entropy(-0.5 * d2, y)


d = load_digits()
x = torch.tensor(d.data / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
tower, criterion = Tower(), ProxyLoss()
opt = torch.optim.SGD([*tower.parameters(), *criterion.parameters()], lr=0.01, momentum=0.9)
for epoch in range(20):
    for i in torch.randperm(1400).split(64):
        loss = criterion(tower(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    gallery, query = tower(x[:1400]), tower(x[1400:])
    nearest = torch.cdist(query, gallery).argmin(1)
print("1-nn accuracy", (y[nearest] == y[1400:]).float().mean().item())
