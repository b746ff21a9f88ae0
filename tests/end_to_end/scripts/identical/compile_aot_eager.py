import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(32, 8)
y = x[:, :1].sin()
compiled = torch.compile(model, backend="aot_eager")
for step in range(8):
    optimizer.zero_grad()
    loss = (compiled(x) - y).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
