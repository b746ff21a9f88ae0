import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(6, 5, 4)
for step in range(20):
    optimizer.zero_grad()
    loss = torch.vmap(lambda rows: (model(rows) - 1).pow(2).mean())(x).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
