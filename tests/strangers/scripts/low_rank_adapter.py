import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(47)


class LowRank(nn.Module):
    def __init__(self, base, r=4, alpha=8):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, base.in_features) / base.in_features**0.5)
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scaling = alpha / r

    def forward(self, x):
        return self.base(x) + self.scaling * (x @ self.A.T @ self.B.T)


means = torch.randn(10, 24) * 1.2
net = nn.Sequential(nn.Linear(24, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for _ in range(200):
    y = torch.randint(0, 10, (64,))
    opt.zero_grad()
    F.cross_entropy(net(means[y] + torch.randn(64, 24)), y).backward()
    opt.step()
for i in (0, 2, 4):
    net[i] = LowRank(net[i])
rotation = torch.linalg.qr(torch.randn(24, 24))[0]
adapters = [p for p in net.parameters() if p.requires_grad]
opt = torch.optim.AdamW(adapters, lr=5e-3)
for step in range(400):
    y = torch.randint(0, 10, (64,))
    x = (means[y] + torch.randn(64, 24)) @ (0.8 * torch.eye(24) + 0.4 * rotation)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 99:
        print(step + 1, loss.item())
