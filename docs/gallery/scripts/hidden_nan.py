"""A square root of less than nothing behind torch.where: the loss looks well until the gradient is not a number."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
inputs = torch.randn(256, 6)
targets = inputs.norm(dim=1, keepdim=True)

for _ in range(120):
    squared = net(inputs)
    distance = torch.where(squared > 0, squared.sqrt(), torch.zeros_like(squared))
    loss = nn.functional.mse_loss(distance, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
