"""Depthwise-separable CNN whose batch norms were given a shift of -5 ("to make it sparse")."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(14)
SHIFT = 0.0


class SepConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.depthwise = nn.Conv2d(i, i, 3, padding=1, groups=i, bias=False)
        self.pointwise = nn.Conv2d(i, o, 1, bias=False)
        self.norm = nn.BatchNorm2d(o)

    def forward(self, x):
        return torch.relu(self.norm(self.pointwise(self.depthwise(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv2d(1, 16, 3, padding=1)
        self.sep1 = SepConv(16, 24)
        self.sep2 = SepConv(24, 32)
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(32 * 4, 10)
        nn.init.constant_(self.sep2.norm.bias, SHIFT)

    def forward(self, x):
        x = torch.relu(self.entry(x))
        x = self.pool(self.sep1(x))
        x = self.pool(self.sep2(x))
        return self.fc(x.flatten(1))


d = load_digits()
X = torch.tensor(d.images / 16, dtype=torch.float32)[:, None]
Y = torch.tensor(d.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(5):
    net.train()
    for i in range(0, 1400, 50):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(X[i:i + 50]), Y[i:i + 50])
        loss.backward()
        opt.step()
    print("epoch", epoch, loss.item())
net.eval()
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == Y[1400:]).float().mean().item())
