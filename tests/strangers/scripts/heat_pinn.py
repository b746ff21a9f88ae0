import math
import torch
from torch import nn

torch.manual_seed(45)
u = nn.Sequential(nn.Linear(2, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
opt = torch.optim.Adam(u.parameters(), lr=2e-3)


def d(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


for step in range(500):
    p = torch.rand(256, 2, requires_grad=True)
    first = d(u(p), p)
    residual = first[:, 1] - 0.1 * d(first[:, 0], p)[:, 0]
    x0 = torch.rand(64, 1)
    start = u(torch.cat([x0, torch.zeros_like(x0)], 1)) - torch.sin(math.pi * x0)
    t = torch.rand(64, 1)
    edge = u(torch.cat([torch.randint(0, 2, (64, 1)).float(), t], 1))
    loss = residual.square().mean() + 10 * start.square().mean() + 10 * edge.square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 125 == 124:
        print(step + 1, loss.item())
