import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.Softplus(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
for step in range(15):
    optimizer.zero_grad()
    point = x.clone().requires_grad_()
    value = model(point)
    (slope,) = torch.autograd.grad(value.sum(), point, create_graph=True)
    loss = (value - y).pow(2).mean() + 0.1 * (slope.norm(dim=1) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
