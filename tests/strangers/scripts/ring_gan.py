import math
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(43)


def real(n):
    k = torch.randint(0, 8, (n,)) * (2 * math.pi / 8)
    return torch.stack([k.cos(), k.sin()], 1) * 1.5 + 0.08 * torch.randn(n, 2)


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 96), nn.LeakyReLU(0.2), nn.Linear(96, 96), nn.LeakyReLU(0.2), nn.Linear(96, o))


G, D = mlp(8, 2), mlp(2, 1)
og = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.99))
od = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.99))
for it in range(1200):
    x, z = real(128), torch.randn(128, 8)
    fake = G(z)
    d_loss = F.softplus(-D(x)).mean() + F.softplus(D(fake.detach())).mean()
    od.zero_grad()
    d_loss.backward()
    od.step()
    g_loss = F.softplus(-D(fake)).mean()
    og.zero_grad()
    g_loss.backward()
    og.step()
    if it % 300 == 299:
        print(it + 1, d_loss.item(), g_loss.item(), G(torch.randn(500, 8)).norm(dim=1).mean().item())
