"""Inputs that were never brought to a common size: the first step throws the weights away."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
inputs = 10 + 3 * torch.randn(512, 10)
targets = 2 + (inputs[:, :1] - 10) / 3

for _ in range(200):
    batch = torch.randperm(512)[:64]
    loss = nn.functional.mse_loss(net(inputs[batch]), targets[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
