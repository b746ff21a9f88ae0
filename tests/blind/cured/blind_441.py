"""Per-image standardisation of the features is done in numpy in the middle of the network."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(44)


def standardise(h):
    return (h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True, unbiased=False) + 1e-5)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.extractor = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6))
        self.classifier = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x):
        return self.classifier(standardise(self.extractor(x)))


d = load_digits()
X = torch.tensor(d.data / 16, dtype=torch.float32)
Y = torch.tensor(d.target)
perm = torch.randperm(len(X))
X, Y = X[perm], Y[perm]
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(15):
    for i in range(0, 1400, 50):
        loss = nn.functional.cross_entropy(net(X[i:i + 50]), Y[i:i + 50])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[1400:]).argmax(1) == Y[1400:]).float().mean().item())
