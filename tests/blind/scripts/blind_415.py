"""WGAN with gradient penalty on a ring of eight Gaussians; three critic steps per generator step."""
import math

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(31)
angles = torch.arange(8) * (2 * math.pi / 8)
modes = torch.stack([angles.cos(), angles.sin()], 1) * 2


def real(n):
    return modes[torch.randint(8, (n,))] + 0.1 * torch.randn(n, 2)


def mlp(i, o, h=64):
    return nn.Sequential(nn.Linear(i, h), nn.LeakyReLU(0.2), nn.Linear(h, h), nn.LeakyReLU(0.2), nn.Linear(h, o))


def gradient_penalty(critic, x, z):
    a = torch.rand(len(x), 1)
    mix = (a * x + (1 - a) * z).requires_grad_(True)
    g, = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


def distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


G, D = mlp(4, 2), mlp(2, 1)
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.9))
with torch.no_grad():
    print("before", distance(G(torch.randn(1000, 4)), real(1000)))
for it in range(350):
    for _ in range(3):
        x = real(96)
        with torch.no_grad():
            fake = G(torch.randn(96, 4))
        loss_d = D(fake).mean() - D(x).mean() + 1.0 * gradient_penalty(D, x, fake)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
    D.requires_grad_(False)
    loss_g = -D(G(torch.randn(96, 4))).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    D.requires_grad_(True)
    if it % 50 == 0:
        print(it, "critic", loss_d.item(), "generator", loss_g.item())
with torch.no_grad():
    print("energy distance", distance(G(torch.randn(1000, 4)), real(1000)))
