import math

import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(1)

# u'' = -pi^2 sin(pi x) on [0, 1], u(0) = u(1) = 0, so u = sin(pi x)


class PINN(nn.Module):
    def __init__(self, width=32, depth=4):
        super().__init__()
        sizes = [1] + [width] * depth + [1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        for l in self.layers:
            nn.init.xavier_normal_(l.weight)
            nn.init.zeros_(l.bias)

    def forward(self, x):
        for l in self.layers[:-1]:
            x = torch.tanh(l(x))
        return self.layers[-1](x)


def residual(net, x):
    x = x.requires_grad_(True)
    u = net(x)
    du = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    d2u = torch.autograd.grad(du.sum(), x, create_graph=True)[0]
    return d2u + math.pi ** 2 * torch.sin(math.pi * x)


net = PINN()
edge = torch.tensor([[0.0], [1.0]])


def total(points):
    return residual(net, points).pow(2).mean() + 50 * net(edge).pow(2).mean()


adam = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(500):
    loss = total(torch.rand(64, 1))
    adam.zero_grad()
    loss.backward()
    adam.step()
    if step % 100 == 0:
        print("adam", step, loss.item())

lbfgs = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=20, history_size=20, line_search_fn="strong_wolfe")
grid = torch.linspace(0, 1, 64)[:, None]


def closure():
    lbfgs.zero_grad()
    loss = total(grid.clone())
    loss.backward()
    return loss


for it in range(8):
    loss = lbfgs.step(closure)
    print("lbfgs", it, loss.item())
with torch.no_grad():
    x = torch.linspace(0, 1, 200)[:, None]
    err = (net(x) - torch.sin(math.pi * x)).pow(2).mean().sqrt()
print("rms error of the solution", err.item())
