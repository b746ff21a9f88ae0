import math
import torch
from torch import nn

torch.manual_seed(46)
T = 50
betas = torch.linspace(1e-3, 0.15, T)
keep = torch.cumprod(1 - betas, 0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 64)
        self.inp, self.mid, self.out = nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 2)

    def forward(self, x, t):
        h = nn.functional.silu(self.inp(x) + self.time(t))
        return self.out(nn.functional.silu(h + self.mid(h)))


net = Denoiser()
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
warm = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / 100))
ema = None
for step in range(900):
    a = torch.rand(256) * 2 * math.pi
    x0 = torch.stack([a.cos(), a.sin()], 1)
    t = torch.randint(0, T, (256,))
    eps = torch.randn_like(x0)
    xt = keep[t, None].sqrt() * x0 + (1 - keep[t, None]).sqrt() * eps
    loss = (net(xt, t) - eps).pow(2).mean()
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    warm.step()
    ema = loss.item() if ema is None else 0.98 * ema + 0.02 * loss.item()
    if step % 225 == 224:
        print(step + 1, ema)
