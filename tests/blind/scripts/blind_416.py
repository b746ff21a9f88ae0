"""Transfer: a small CNN learns digits 0-4, then its features are frozen and a new head learns digits 5-9."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(27)
d = load_digits()
X = torch.tensor(d.images / 16, dtype=torch.float32).unsqueeze(1)
Y = torch.tensor(d.target)
source, goal = Y < 5, Y >= 5
src = DataLoader(TensorDataset(X[source], Y[source]), batch_size=32, shuffle=True)
Xg, Yg = X[goal], Y[goal] - 5
perm = torch.randperm(len(Xg))
Xg, Yg = Xg[perm], Yg[perm]
few = DataLoader(TensorDataset(Xg[:200], Yg[:200]), batch_size=20, shuffle=True)


class Net(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        )
        self.head = nn.Linear(128, classes)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


net = Net()
opt = torch.optim.AdamW(net.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
for epoch in range(4):
    for xb, yb in src:
        opt.zero_grad()
        loss = criterion(net(xb), yb)
        loss.backward()
        opt.step()
    print("source epoch", epoch, loss.item())

for p in net.features.parameters():
    p.requires_grad = False
net.features.eval()
net.head = nn.Sequential(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 5))
opt = torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1, momentum=0.9)
warm = torch.optim.lr_scheduler.LinearLR(opt, start_factor=0.01, total_iters=30)
for epoch in range(12):
    for xb, yb in few:
        opt.zero_grad()
        loss = criterion(net(xb), yb)
        loss.backward()
        opt.step()
        warm.step()
    if epoch % 3 == 0:
        print("target epoch", epoch, loss.item())
net.eval()
with torch.no_grad():
    print("accuracy on new digits", (net(Xg[200:]).argmax(1) == Yg[200:]).float().mean().item())
