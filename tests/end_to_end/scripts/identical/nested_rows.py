"""Sequences of several lengths in one nested tensor."""

import torch
from torch import nn

torch.manual_seed(0)
layer, head = nn.Linear(8, 8), nn.Linear(8, 1)
optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.05)
rows = [torch.randn(n, 8) for n in (3, 5, 2)]
for _ in range(12):
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged)
    h = head(torch.relu(layer(nested)))
    loss = h.values().square().mean() + (h.values() - 1).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
