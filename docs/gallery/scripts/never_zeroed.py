"""A loop without zero_grad: every step follows the sum of all gradients so far."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 4))
optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
inputs = torch.randn(1024, 16)
targets = inputs[:, :4].argmax(1)

for _ in range(200):
    batch = torch.randperm(1024)[:64]
    loss = nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
