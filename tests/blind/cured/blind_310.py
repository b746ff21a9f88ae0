import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)


class Field(nn.Module):
    def __init__(self, d=16, h=48):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d, h), nn.ReLU(), nn.Linear(h, d))

    def forward(self, t, z):
        return self.net(z)


def rk4(f, z, t0, t1, n):
    h = (t1 - t0) / n
    t = t0
    for _ in range(n):
        k1 = f(t, z)
        k2 = f(t + h / 2, z + h / 2 * k1)
        k3 = f(t + h / 2, z + h / 2 * k2)
        k4 = f(t + h, z + h * k3)
        z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        t += h
    return z


class ODENet(nn.Module):
    def __init__(self, horizon):
        super().__init__()
        self.up = nn.Linear(2, 16)
        self.field = Field()
        self.out = nn.Linear(16, 1)
        self.horizon = horizon

    def forward(self, x):
        return self.out(rk4(self.field, self.up(x), 0.0, self.horizon, 12))[:, 0]


def spirals(n):
    k = torch.randint(0, 2, (n,))
    r = torch.rand(n) * 0.9 + 0.1
    a = 4.5 * r + 3.1416 * k
    return torch.stack([r * a.cos(), r * a.sin()], 1) + 0.02 * torch.randn(n, 2), k.float()


x, y = spirals(1500)
xt, yt = spirals(500)
net = ODENet(horizon=1.0)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
bce = nn.BCEWithLogitsLoss()
for epoch in range(20):
    for i in torch.randperm(1500).split(100):
        loss = bce(net(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", ((net(xt) > 0).float() == yt).float().mean().item())
