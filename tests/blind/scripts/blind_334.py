import math

import torch
import torch.nn as nn
from torch.func import functional_call, grad, vmap

torch.set_num_threads(1)
torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self, h=40):
        super().__init__()
        self.a = nn.Linear(1, h)
        self.b = nn.Linear(h, h)
        self.c = nn.Linear(h, 1)

    def forward(self, x):
        x = torch.relu(self.a(x))
        x = torch.relu(self.b(x))
        return self.c(x)


def tasks(n, shots):
    amplitude = torch.rand(n, 1, 1) * 4.9 + 0.1
    phase = torch.rand(n, 1, 1) * math.pi
    x = torch.rand(n, 2 * shots, 1) * 10 - 5
    y = amplitude * torch.sin(x + phase)
    return x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:]


net = Net()
INNER = 0.01


def loss_fn(params, x, y):
    return (functional_call(net, params, (x,)) - y).pow(2).mean()


def adapt(params, x, y, steps=1):
    for _ in range(steps):
        g = grad(loss_fn)(params, x, y)
        params = {k: p - INNER * g[k] for k, p in params.items()}
    return params


def outer(params, xs, ys, xq, yq):
    return loss_fn(adapt(params, xs, ys), xq, yq)


opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for it in range(700):
    params = dict(net.named_parameters())
    xs, ys, xq, yq = tasks(25, 10)
    loss = vmap(outer, in_dims=(None, 0, 0, 0, 0))(params, xs, ys, xq, yq).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 100 == 0:
        print("iteration", it, "meta loss", loss.item())

params = {k: p.detach() for k, p in net.named_parameters()}
before, after = [], []
for xs, ys, xq, yq in zip(*tasks(100, 10)):
    before.append(loss_fn(params, xq, yq).item())
    after.append(loss_fn(adapt(params, xs, ys, 10), xq, yq).item())
print("loss before adapting", sum(before) / 100)
print("share of it left after adapting", sum(after) / sum(before))
