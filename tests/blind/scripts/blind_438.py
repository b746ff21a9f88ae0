"""Diabetes progression with a GELU network; RMSprop with a step of 0.2 never settles."""
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(38)
d = load_diabetes()
x = torch.tensor(d.data).float()
x = (x - x.mean(0)) / x.std(0)
y = torch.tensor(d.target).float()
y = (y - y.mean()) / y.std()
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]
train = DataLoader(TensorDataset(x[:320], y[:320]), batch_size=20, shuffle=True)


class Net(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.a = nn.Linear(10, width)
        self.b = nn.Linear(width, width)
        self.c = nn.Linear(width, 1)

    def forward(self, x):
        x = nn.functional.gelu(self.a(x))
        x = nn.functional.gelu(self.b(x))
        return self.c(x).squeeze(-1)


net = Net()
optimizer = torch.optim.RMSprop(net.parameters(), lr=0.2)
for epoch in range(30):
    for xb, yb in train:
        loss = nn.functional.huber_loss(net(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "huber", loss.item())
with torch.no_grad():
    print("test mae", (net(x[320:]) - y[320:]).abs().mean().item())
