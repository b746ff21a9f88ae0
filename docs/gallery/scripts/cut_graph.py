"""An encoder whose output goes through NumPy: what comes back from there has no history."""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(16, 64), nn.ReLU())
head = nn.Linear(64, 4)
optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3)
inputs = torch.randn(1024, 16)
targets = (inputs[:, :4] * inputs[:, 4:8]).argmax(1)

for _ in range(200):
    batch = torch.randperm(1024)[:64]
    features = torch.from_numpy(encoder(inputs[batch]).detach().numpy())
    loss = nn.functional.cross_entropy(head(features), targets[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
