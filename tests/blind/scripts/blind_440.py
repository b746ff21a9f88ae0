"""Regression where the net returns (n, 1) and the targets are (n,): the loss compares everything with everything."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(42)
n = 3000
x = torch.rand(n, 4) * 4 - 2
y = x[:, 0] ** 2 - x[:, 1] + torch.sin(2 * x[:, 2]) + 0.1 * torch.randn(n)
y = (y - y.mean()) / y.std()
train = DataLoader(TensorDataset(x[:2400], y[:2400]), batch_size=40, shuffle=True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.net(x)


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(10):
    for xb, yb in train:
        out = model(xb)
        loss = criterion(out, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("test mse", ((model(x[2400:]).flatten() - y[2400:]) ** 2).mean().item())
