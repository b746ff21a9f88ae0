"""A rate twenty times too high: each step goes further up the other side of the valley."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=2.0, momentum=0.9)
inputs = torch.randn(512, 16)
targets = inputs.sum(1, keepdim=True)

for _ in range(150):
    batch = torch.randperm(512)[:64]
    loss = nn.functional.mse_loss(net(inputs[batch]), targets[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3g}")
