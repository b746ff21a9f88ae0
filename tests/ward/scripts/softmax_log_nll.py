import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
torch.set_num_threads(1)
X, y = load_wine(return_X_y=True)
X = torch.tensor(StandardScaler().fit_transform(X)).float()
y = torch.tensor(y)
order = torch.randperm(178, generator=torch.Generator().manual_seed(0))
X, y = X[order], y[order]


class WineNet(nn.Module):
    """Two heads: the class by softmax and its log, and 'is it class 0' by a sigmoid."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(13, 24), nn.ELU())
        self.cls = nn.Sequential(nn.Linear(24, 3), nn.Softmax(dim=1))
        self.flag = nn.Sequential(nn.Linear(24, 1), nn.Sigmoid())

    def forward(self, x):
        h = self.body(x)
        return self.cls(h), self.flag(h).squeeze(1)


net = WineNet()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
nll, bce = nn.NLLLoss(), nn.BCELoss()
for epoch in range(100):
    for k in torch.randperm(130).split(26):
        probs, flag = net(X[k])
        loss = nll(torch.log(probs.clamp_min(1e-8)), y[k]) + 0.5 * bce(flag, (y[k] == 0).float())
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 20 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (net(X[130:])[0].argmax(1) == y[130:]).float().mean().item())
