import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)


class Heading(nn.Module):
    """Direction of a source in space, from the levels at eight microphones."""

    def __init__(self, mics, h=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(mics, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, 3))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


def angle(a, b):
    """Angle between unit vectors, in radians."""
    cos = (a * b).sum(1)
    return torch.acos(cos.clamp(-1 + 1e-6, 1 - 1e-6))


mics = F.normalize(torch.randn(8, 3), dim=1)


def make(n):
    u = F.normalize(torch.randn(n, 3), dim=1)
    return torch.exp(u @ mics.t()), u


x, u = make(3000)
xt, ut = make(500)
mean, std = x.mean(0), x.std(0)
x, xt = (x - mean) / std, (xt - mean) / std
net = Heading(8)
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(25):
    for i in torch.randperm(3000).split(100):
        loss = angle(net(x[i]), u[i]).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "angle", loss.item())
with torch.no_grad():
    chord = (net(xt) - ut).norm(dim=1)
    print("median error", chord.median().item())
