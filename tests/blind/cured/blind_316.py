import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.manual_seed(0)


class TabularNet(nn.Module):
    """Raw columns in, a survival score out."""

    def __init__(self, d_in, hidden=32):
        super().__init__()
        self.inp = nn.Linear(d_in, hidden)
        self.mid = nn.Linear(hidden, hidden)
        self.act = nn.Tanh()
        self.out = nn.Linear(hidden, 4)

    def forward(self, x):
        h = self.act(self.inp(x))
        h = self.act(self.mid(h))
        return self.out(h)


# the four quartiles of the worst concave points, from the other columns
d = load_breast_cancer()
column = list(d.feature_names).index("worst concave points")
target = torch.tensor(d.data[:, column])
quart = torch.quantile(target, torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64))
y = torch.bucketize(target, quart)
keep = [i for i in range(30) if i != column]
x = torch.tensor(d.data[:, keep], dtype=torch.float32)

loader = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=40, shuffle=True)
x = (x - x[:400].mean(0)) / x[:400].std(0)
loader = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=40, shuffle=True)
net = TabularNet(x.shape[1])
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(60):
    total = 0.0
    for xb, yb in loader:
        opt.zero_grad()
        loss = loss_fn(net(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", total / len(loader))
net.eval()
with torch.no_grad():
    print("test accuracy", (net(x[400:]).argmax(1) == y[400:]).float().mean().item())
