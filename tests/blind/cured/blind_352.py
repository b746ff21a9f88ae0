import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
POINTS = 24


def clouds(n):
    """Point clouds of five kinds: disc, ring, cross, line and square."""
    y = torch.randint(0, 5, (n,))
    a, r, s = torch.rand(n, POINTS) * 6.2832, torch.rand(n, POINTS), torch.rand(n, POINTS) * 2 - 1
    side = torch.rand(n, POINTS) < 0.5
    zero = torch.zeros(n, POINTS)
    kinds = torch.stack([
        torch.stack([r.sqrt() * a.cos(), r.sqrt() * a.sin()], -1),
        torch.stack([a.cos(), a.sin()], -1),
        torch.stack([torch.where(side, s, zero), torch.where(side, zero, s)], -1),
        torch.stack([s, s], -1) * 0.8,
        torch.stack([s, torch.rand(n, POINTS) * 2 - 1], -1),
    ])
    x = kinds[y, torch.arange(n)]
    return x + 0.05 * torch.randn_like(x), y


class DeepSets(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(2, d), nn.ReLU(), nn.Linear(d, d), nn.ReLU())
        self.score = nn.Linear(d, 1)
        self.rho = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU(), nn.Linear(d, 5))

    def forward(self, x):
        h = self.phi(x)
        w = torch.softmax(self.score(h), 1)
        return self.rho(torch.cat([(w * h).sum(1), h.max(1).values], 1))


x, y = clouds(3000)
xt, yt = clouds(800)
net = DeepSets()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.8)
for epoch in range(10):
    net.train()
    total = 0.0
    for i in torch.randperm(3000).split(50):
        loss = F.cross_entropy(net(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item()
    sched.step()
    print("epoch", epoch, "loss", total / 60, "lr", sched.get_last_lr()[0])
net.eval()
with torch.no_grad():
    print("test accuracy", (net(xt).argmax(1) == yt).float().mean().item())
