import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
inner = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 16), nn.Sigmoid())
first, last = nn.Linear(8, 16), nn.Linear(16, 1)
optimizer = torch.optim.SGD([*first.parameters(), *inner.parameters(), *last.parameters()], lr=0.1)
x = torch.randn(32, 8)
for step in range(20):
    optimizer.zero_grad()
    loss = (last(checkpoint(inner, first(x), use_reentrant=True)) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
