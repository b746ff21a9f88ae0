import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_breast_cancer(return_X_y=True)
order = torch.randperm(len(X), generator=torch.Generator().manual_seed(1))
X, y = torch.tensor(X).float()[order], torch.tensor(y).float()[order]
mean, std = torch.zeros(30), torch.ones(30)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(30, 24)
        self.act = nn.Hardtanh()
        self.mid = nn.Linear(24, 24)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        x = (x - mean) / std
        return self.out(self.act(self.mid(self.act(self.inp(x))))).squeeze(1)


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
bce = nn.BCEWithLogitsLoss()
for epoch in range(40):
    for k in torch.randperm(400).split(40):
        loss = bce(net(X[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 8 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", ((net(X[400:]) > 0) == (y[400:] > 0.5)).float().mean().item())
