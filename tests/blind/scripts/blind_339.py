import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1)
        nn.init.kaiming_normal_(self.conv1.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.conv2.weight, nonlinearity="linear")
        self.scale = 1.0

    def forward(self, x):
        return x + self.scale * self.conv2(F.relu(self.conv1(x)))


class PlainResNet(nn.Module):
    """A residual net without any normalisation."""

    def __init__(self, c=10, n=18):
        super().__init__()
        self.stem = nn.Conv2d(1, c, 3, padding=1)
        self.blocks = nn.Sequential(*[Residual(c) for _ in range(n)])
        self.fc = nn.Linear(c * 4, 10)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.max_pool2d(x, 2)
        x = self.blocks(x)
        return self.fc(F.max_pool2d(x, 2).flatten(1))


d = load_digits()
x = torch.tensor((d.images[:, None] - 4.9) / 6.0, dtype=torch.float32)
y = torch.tensor(d.target)
net = PlainResNet()
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
for epoch in range(4):
    net.train()
    for i in torch.randperm(1400).split(50):
        opt.zero_grad()
        loss = F.cross_entropy(net(x[i]), y[i])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("test accuracy", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
