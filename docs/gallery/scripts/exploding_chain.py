"""Weights that are drawn too large: every layer makes the gradient several times as large."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(*[part for _ in range(16) for part in (nn.Linear(64, 64), nn.ReLU())], nn.Linear(64, 1))
for layer in net:
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=0.6)
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
inputs = torch.randn(256, 64)
targets = inputs[:, :1] * inputs[:, 1:2]

for _ in range(100):
    loss = nn.functional.mse_loss(net(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3g}")
