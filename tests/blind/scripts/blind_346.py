import math

import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(0)

# daily sales over three years: trend, season and noise; the input is the day number
days = torch.arange(1095, dtype=torch.float32)
season = torch.sin(2 * math.pi * days / 365) + 0.4 * torch.cos(4 * math.pi * days / 365)
sales = season + days / 700 + 0.1 * torch.randn(1095)
sales = (sales - sales.mean()) / sales.std()


class Curve(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.layer1 = nn.Linear(1, width)
        self.layer2 = nn.Linear(width, width)
        self.layer3 = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, t):
        h = torch.tanh(self.layer1(t))
        h = torch.tanh(self.layer2(h))
        h = torch.tanh(self.layer3(h))
        return self.out(h)[:, 0]


perm = torch.randperm(1095)
tr, te = perm[:900], perm[900:]
t = days[:, None]
model = Curve()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(60):
    model.train()
    for i in tr[torch.randperm(900)].split(60):
        loss = (model(t[i]) - sales[i]).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "mse", loss.item())
model.eval()
with torch.no_grad():
    print("held-out mse", (model(t[te]) - sales[te]).pow(2).mean().item())
