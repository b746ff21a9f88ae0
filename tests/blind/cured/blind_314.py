import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine

torch.set_num_threads(1)
torch.manual_seed(0)


class MultiTask(nn.Module):
    """One trunk, two heads: the cultivar of the wine and its proline content."""

    def __init__(self, d_in, width=64):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(d_in, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
        )
        self.classify = nn.Linear(width, 3)
        self.regress = nn.Linear(width, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.classify(h), self.regress(h)[:, 0]


d = load_wine()
raw = torch.tensor(d.data, dtype=torch.float32)
y = torch.tensor(d.target)
proline = raw[:, 12]
x = raw[:, :12]
x = (x - x.mean(0)) / x.std(0)
perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
tr, te = perm[:120], perm[120:]
t = (proline - proline.mean()) / proline.std()

net = MultiTask(12)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for epoch in range(80):
    for i in tr[torch.randperm(len(tr))].split(20):
        logits, value = net(x[i])
        loss = F.cross_entropy(logits, y[i]) + F.smooth_l1_loss(value, t[i], beta=10.0)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("accuracy", (net(x[te])[0].argmax(1) == y[te]).float().mean().item())
