"""DDPM on two moons, noise prediction, exponential moving average of the weights for sampling."""
import copy
import math

import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.set_num_threads(1)
torch.manual_seed(2)
T = 40
betas = torch.linspace(1e-3, 0.2, T)
alphas = 1 - betas
abar = torch.cumprod(alphas, 0)
data = torch.tensor(make_moons(4000, noise=0.05, random_state=2)[0]).float()
data = (data - data.mean(0)) / data.std(0)


class Denoiser(nn.Module):
    def __init__(self, width=96, emb=16):
        super().__init__()
        freqs = torch.exp(torch.arange(emb // 2) * -(math.log(1000.0) / (emb // 2)))
        self.register_buffer("freqs", freqs)
        self.inp = nn.Linear(2 + emb, width)
        self.mid = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.out = nn.Linear(width, 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x, t):
        ang = t.unsqueeze(1).float() * self.freqs
        h = self.inp(torch.cat([x, ang.sin(), ang.cos()], 1))
        for m in self.mid:
            h = h + m(nn.functional.silu(h))
        return self.out(nn.functional.silu(h))


@torch.no_grad()
def sample(net, n):
    x = torch.randn(n, 2)
    for t in reversed(range(T)):
        eps = net(x, torch.full((n,), t))
        x = (x - betas[t] / (1 - abar[t]).sqrt() * eps) / alphas[t].sqrt()
        if t:
            x = x + betas[t].sqrt() * torch.randn_like(x)
    return x


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


net = Denoiser()
ema = copy.deepcopy(net).requires_grad_(False)
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
for it in range(1500):
    x0 = data[torch.randint(len(data), (128,))]
    t = torch.randint(T, (128,))
    eps = torch.randn_like(x0)
    xt = abar[t].sqrt().unsqueeze(1) * x0 + (1 - abar[t]).sqrt().unsqueeze(1) * eps
    loss = (net(xt, t) - eps).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for p, q in zip(ema.parameters(), net.parameters()):
            p.lerp_(q, 0.01)
    if it % 300 == 0:
        print(it, loss.item())
print("energy distance of plain noise", energy_distance(torch.randn(1000, 2), data[:1000]))
print("energy distance of the samples", energy_distance(sample(ema, 1000), data[:1000]))
