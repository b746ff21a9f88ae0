"""Gradients in forward mode beside those in backward mode: Jacobians, and products with a Hessian."""

import torch
from torch import nn
from torch.func import functional_call, grad, jacfwd, jvp

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(16, 4)


def error(weights):
    return (functional_call(model, weights, (x,)) - x[:, :2]).square().mean()


for _ in range(10):
    weights = {name: p.detach() for name, p in model.named_parameters()}
    value, along = jvp(error, (weights,), ({name: torch.ones_like(p) for name, p in weights.items()},))
    _, curved = jvp(grad(error), (weights,), (grad(error)(weights),))
    loss = (model(x) - x[:, :2]).square().mean() + 1e-3 * jacfwd(model)(x[0]).square().sum()
    optimizer.zero_grad()
    loss.backward()
    for name, p in model.named_parameters():
        p.grad.add_(curved[name], alpha=1e-2)
    optimizer.step()
    print(loss.item(), value.item(), along.item())
