import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(0)


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 24, 3, padding=1)
        self.fc = nn.Linear(24 * 4, 16)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def pairwise(e):
    sq = (e[:, None] - e[None]).pow(2).sum(-1)
    return sq.sqrt()


def batch_hard(e, y, margin=0.5):
    """Hardest positive and hardest negative within the batch."""
    dist = pairwise(e)
    same = y[:, None] == y[None]
    positive = (dist * same.float()).max(1).values
    negative = (dist + 1e3 * same.float()).min(1).values
    return F.relu(positive - negative + margin).mean() + 1e-3 * dist.mean()


d = load_digits()
x = torch.tensor(d.images[:, None] / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
net = Embed()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(8):
    for i in torch.randperm(1400).split(70):
        loss = batch_hard(net(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    centres = torch.stack([net(x[:1400][y[:1400] == k]).mean(0) for k in range(10)])
    pred = torch.cdist(net(x[1400:]), centres).argmin(1)
print("nearest-centre accuracy", (pred == y[1400:]).float().mean().item())
