import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight)
        self.gain = 1.0

    def forward(self, x):
        return x + self.gain * self.conv2(torch.relu(self.conv1(x)))


class UnnormalizedResNet(nn.Module):
    def __init__(self, c=16, depth=14):
        super().__init__()
        self.stem = nn.Conv2d(1, c, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList([Block(c) for _ in range(depth)])
        self.fc = nn.Linear(c * 16, 10)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.flatten(1))


d = load_digits()
x, y = torch.tensor(d.images[:, None] / 16.0).float(), torch.tensor(d.target)
net = UnnormalizedResNet()
opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(4):
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(net(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
