import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class ScaledBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x):
        branch = self.scale * self.fc2(F.gelu(self.fc1(x)))
        return branch


class Net(nn.Module):
    def __init__(self, width=64, depth=6):
        super().__init__()
        self.embed = nn.Linear(64, width)
        self.blocks = nn.Sequential(*(ScaledBlock(width) for _ in range(depth)))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.blocks(self.embed(x)))


d = load_digits()
X, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(10):
    for k in torch.randperm(1400).split(50):
        loss = F.cross_entropy(net(X[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
