import math

import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.set_num_threads(1)
torch.manual_seed(0)


class Coupling(nn.Module):
    """Affine coupling: the masked half passes through, the other is scaled and shifted."""

    def __init__(self, mask, hidden=48):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        # start as the identity map
        for net in (self.s[4], self.t[4]):
            nn.init.zeros_(net.weight)
            nn.init.zeros_(net.bias)

    def forward(self, x):
        kept = x * self.mask
        s = self.s(kept) * (1 - self.mask)
        t = self.t(kept) * (1 - self.mask)
        return kept + (1 - self.mask) * (x * torch.exp(s) + t), s.sum(1)


class RealNVP(nn.Module):
    def __init__(self, n=6):
        super().__init__()
        masks = [torch.tensor([1.0, 0.0]) if i % 2 else torch.tensor([0.0, 1.0]) for i in range(n)]
        self.layers = nn.ModuleList(Coupling(m) for m in masks)

    def log_prob(self, x):
        log_det = 0.0
        for layer in self.layers:
            x, ld = layer(x)
            log_det = log_det + ld
        return -0.5 * (x ** 2).sum(1) - math.log(2 * math.pi) + log_det


def batch(n):
    x, _ = make_moons(n, noise=0.05, random_state=int(torch.randint(0, 10 ** 6, ())))
    return torch.tensor(x, dtype=torch.float32) - torch.tensor([0.5, 0.25])


train, held_out = batch(4000), batch(1000)
flow = RealNVP()
opt = torch.optim.Adam(flow.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.StepLR(opt, 200, gamma=0.5)
for step in range(500):
    x = train[torch.randint(0, len(train), (256,))]
    loss = -flow.log_prob(x).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if step % 100 == 0:
        print(f"step {step} nll {loss.item():.3f}")
with torch.no_grad():
    print("held-out nll", -flow.log_prob(held_out).mean().item())
