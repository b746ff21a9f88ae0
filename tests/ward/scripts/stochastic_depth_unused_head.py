import random
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)


class Net(nn.Module):
    def __init__(self, width=48, depth=6, p_drop=0.3):
        super().__init__()
        self.p = p_drop
        self.stem = nn.Conv2d(1, 12, 3, padding=1)
        self.proj = nn.Linear(12 * 16, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
                                    for _ in range(depth))
        self.fc = nn.Linear(width, 10)
        self.aux = nn.Linear(width, 2)  # for a later experiment; not used yet

    def forward(self, x):
        x = self.proj(nn.functional.avg_pool2d(torch.relu(self.stem(x)), 2).flatten(1))
        for block in self.blocks:
            if self.training and random.random() < self.p:
                continue
            x = x + block(x)
        return self.fc(x)


d = load_digits()
x, y = torch.tensor(d.images[:, None] / 16.0).float(), torch.tensor(d.target)
net = Net()
opt = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
for epoch in range(8):
    net.train()
    for k in torch.randperm(1400).split(50):
        loss = nn.functional.cross_entropy(net(x[k]), y[k])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("accuracy", (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
