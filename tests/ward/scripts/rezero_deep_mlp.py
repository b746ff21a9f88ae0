import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
torch.set_num_threads(1)


class ReZero(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x + self.alpha * self.fc2(torch.relu(self.fc1(x)))


class Fixup(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.normal_(self.fc1.weight, std=(2 / width) ** 0.5 * depth ** -0.5)
        nn.init.zeros_(self.fc2.weight)

    def forward(self, x):
        return x + self.fc2(torch.relu(self.fc1(x)))


width, depth = 48, 16
blocks = [ReZero(width) if k % 2 else Fixup(width, depth) for k in range(depth)]
model = nn.Sequential(nn.Linear(64, width), *blocks, nn.Linear(width, 10))
nn.init.zeros_(model[-1].weight)
d = load_digits()
X, y = torch.tensor(d.data / 8.0 - 1.0).float(), torch.tensor(d.target)
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    for idx in torch.randperm(1400).split(50):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(X[idx]), y[idx])
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item())
