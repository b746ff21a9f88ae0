"""A rate of 1e-7: everything is in order, and nothing moves."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-7)
inputs = torch.randn(1024, 16)
targets = inputs[:, :4].argmax(1)

for _ in range(300):
    batch = torch.randperm(1024)[:64]
    loss = nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
