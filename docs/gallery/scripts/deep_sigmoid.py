"""Twenty sigmoid layers: each takes away three quarters of the gradient."""

import torch
from torch import nn

torch.manual_seed(0)
layers = [part for _ in range(20) for part in (nn.Linear(32, 32), nn.Sigmoid())]
net = nn.Sequential(nn.Linear(8, 32), nn.Sigmoid(), *layers, nn.Linear(32, 4))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
inputs = torch.randn(512, 8)
targets = (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long()

for epoch in range(12):
    for batch in torch.randperm(512).split(32):
        loss = nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss {loss.item():.3f}")
