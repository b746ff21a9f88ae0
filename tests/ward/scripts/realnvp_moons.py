import math
import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.set_num_threads(1)
torch.manual_seed(0)


class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(2, 48), nn.LeakyReLU(), nn.Linear(48, 48), nn.LeakyReLU(), nn.Linear(48, 2), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(2, 48), nn.LeakyReLU(), nn.Linear(48, 48), nn.LeakyReLU(), nn.Linear(48, 2))

    def forward(self, x):
        frozen = x * self.mask
        s, t = self.s(frozen) * (1 - self.mask), self.t(frozen) * (1 - self.mask)
        return frozen + (1 - self.mask) * (x - t) * torch.exp(-s), -s.sum(1)


class RealNVP(nn.Module):
    def __init__(self, n=6):
        super().__init__()
        masks = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])]
        self.layers = nn.ModuleList(Coupling(masks[k % 2]) for k in range(n))

    def log_prob(self, x):
        total = torch.zeros(len(x))
        for layer in self.layers:
            x, logdet = layer(x)
            total = total + logdet
        return -0.5 * (x ** 2).sum(1) - math.log(2 * math.pi) + total


X, _ = make_moons(4000, noise=0.06, random_state=0)
X = torch.tensor((X - X.mean(0)) / X.std(0)).float()
flow = RealNVP()
opt = torch.optim.Adam(flow.parameters(), lr=1e-3)
for it in range(400):
    batch = X[torch.randint(0, 3500, (128,))]
    loss = -flow.log_prob(batch).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 80 == 0:
        print("it", it, "nll", loss.item())
with torch.no_grad():
    print("test nll", -flow.log_prob(X[3500:]).mean().item())
