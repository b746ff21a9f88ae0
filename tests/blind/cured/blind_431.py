"""CNN whose filters and dense weights all start at the same constant."""
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(20)


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)
        self.fc1 = nn.Linear(24 * 4, 48)
        self.fc2 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def init(m):
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        nn.init.constant_(m.weight, 0.02)
        nn.init.constant_(m.bias, 0.01)


d = load_digits()
X = torch.tensor(d.images / 16).float().unsqueeze(1)
Y = torch.tensor(d.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]
net = SmallCNN()
pass
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(6):
    for i in range(0, 1400, 50):
        loss = F.cross_entropy(net(X[i:i + 50]), Y[i:i + 50])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, loss.item())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == Y[1400:]).float().mean().item())
