import torch
from torch import nn

torch.manual_seed(0)
layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(300)])
optimizer = torch.optim.SGD(layers.parameters(), lr=0.1)
x = torch.randn(16, 8)
for step in range(4):
    optimizer.zero_grad()
    h = x
    for layer in layers:
        h = h + layer(h).tanh() / 300
    loss = (h - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
