import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(3)
STEPS = 100
beta = torch.linspace(1e-4, 0.05, STEPS)
alpha_bar = torch.cumprod(1 - beta, 0)


def data(n):
    angle = torch.rand(n) * 2 * math.pi
    radius = 1.0 + 0.05 * torch.randn(n)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1)


def time_embedding(t, dim=32):
    freq = torch.exp(-math.log(1000.0) * torch.arange(dim // 2) / (dim // 2))
    a = t[:, None].float() * freq
    return torch.cat([a.sin(), a.cos()], 1)


class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.fc1 = nn.Linear(d, d)
        self.emb = nn.Linear(32, d)
        self.fc2 = nn.Linear(d, d)
        nn.init.zeros_(self.fc2.weight)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, x, e):
        h = F.silu(self.fc1(self.norm(x)) + self.emb(e))
        return x + self.fc2(h)


class Eps(nn.Module):
    def __init__(self, d=64, n=3):
        super().__init__()
        self.inp = nn.Linear(2, d)
        self.blocks = nn.ModuleList(Block(d) for _ in range(n))
        self.out = nn.Linear(d, 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x, t):
        e = time_embedding(t)
        h = self.inp(x)
        for b in self.blocks:
            h = b(h, e)
        return self.out(F.silu(h))


net = Eps()
ema = copy.deepcopy(net).requires_grad_(False)
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
for step in range(900):
    x0 = data(256)
    t = torch.randint(0, STEPS, (256,))
    noise = torch.randn_like(x0)
    ab = alpha_bar[t][:, None]
    loss = F.mse_loss(net(ab.sqrt() * x0 + (1 - ab).sqrt() * noise, t), noise)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    with torch.no_grad():
        for a, b in zip(ema.parameters(), net.parameters()):
            a.lerp_(b, 0.02)
    if step % 150 == 0:
        print("step", step, "loss", loss.item())


@torch.no_grad()
def sample(n):
    x = torch.randn(n, 2)
    for t in reversed(range(STEPS)):
        e = ema(x, torch.full((n,), t))
        x = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * e) / (1 - beta[t]).sqrt()
        if t:
            x = x + beta[t].sqrt() * torch.randn_like(x)
    return x


print("mean distance from the ring", (sample(1000).norm(dim=1) - 1).abs().mean().item())
