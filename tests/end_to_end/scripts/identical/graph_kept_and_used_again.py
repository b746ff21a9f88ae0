import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
for step in range(15):
    optimizer.zero_grad()
    out = model(x)
    first, second = (out - y).pow(2).mean(), out.abs().mean()
    first.backward(retain_graph=True)
    second.backward(retain_graph=True)
    out.backward(torch.full_like(out, 1e-3))
    optimizer.step()
    print(step, first.item(), second.item())
