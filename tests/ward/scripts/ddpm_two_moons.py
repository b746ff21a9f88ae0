import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.set_num_threads(1)
torch.manual_seed(0)
STEPS = 50
betas = torch.linspace(1e-4, 0.12, STEPS)
alphas_bar = torch.cumprod(1 - betas, 0)


class Denoiser(nn.Module):
    def __init__(self, d=96):
        super().__init__()
        self.time = nn.Embedding(STEPS, d)
        self.inp = nn.Linear(2, d)
        self.mid = nn.ModuleList([nn.Linear(d, d) for _ in range(3)])
        self.out = nn.Linear(d, 2)
        nn.init.zeros_(self.out.weight)  # as in DDPM: start by predicting no noise at all
        nn.init.zeros_(self.out.bias)

    def forward(self, x, t):
        h = self.inp(x) + self.time(t)
        for layer in self.mid:
            h = h + layer(nn.functional.silu(h))
        return self.out(nn.functional.silu(h))


data, _ = make_moons(3000, noise=0.04, random_state=1)
data = torch.tensor((data - data.mean(0)) / data.std(0), dtype=torch.float32)
net = Denoiser()
ema = [p.detach().clone() for p in net.parameters()]
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for it in range(900):
    x0 = data[torch.randint(0, len(data), (128,))]
    t = torch.randint(0, STEPS, (128,))
    noise = torch.randn_like(x0)
    a = alphas_bar[t].unsqueeze(1)
    loss = ((net(a.sqrt() * x0 + (1 - a).sqrt() * noise, t) - noise) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for e, p in zip(ema, net.parameters()):
            e.lerp_(p, 0.02)
    if it % 150 == 0:
        print("step", it, "loss", loss.item())
with torch.no_grad():
    for e, p in zip(ema, net.parameters()):
        p.copy_(e)
    x = torch.randn(1000, 2)
    for k in reversed(range(STEPS)):
        eps = net(x, torch.full((1000,), k))
        x = (x - betas[k] / (1 - alphas_bar[k]).sqrt() * eps) / (1 - betas[k]).sqrt()
        if k:
            x = x + betas[k].sqrt() * torch.randn_like(x)
    print("distance to data", torch.cdist(x, data).min(1).values.mean().item())
