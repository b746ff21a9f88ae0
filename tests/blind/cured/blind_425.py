"""Sigmoid convolutions, seven in a row, on digits."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(7)
d = load_digits()
X = torch.tensor(d.images / 16.0).float().unsqueeze(1)
Y = torch.tensor(d.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]


def conv(i, o, stride=1):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o), nn.ReLU())


class DeepConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(conv(1, 12), conv(12, 12), conv(12, 12))
        self.stage2 = nn.Sequential(conv(12, 20, 2), conv(20, 20), conv(20, 20), conv(20, 20))
        self.fc = nn.Linear(20 * 16, 10)

    def forward(self, x):
        return self.fc(self.stage2(self.stage1(x)).flatten(1))


net = DeepConv()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    net.train()
    for i in range(0, 1400, 40):
        loss = criterion(net(X[i:i + 40]), Y[i:i + 40])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == Y[1400:]).float().mean().item())
