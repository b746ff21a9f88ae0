import argparse
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--decay", type=float, default=0.5)
parser.add_argument("--steps", type=int, default=1500)
a = parser.parse_args()
torch.manual_seed(2)
x = torch.linspace(-3, 3, 512)[:, None]
y = torch.sin(2 * x) + 0.05 * torch.randn_like(x)
net = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=a.decay)
for step in range(a.steps):
    loss = (net(x) - y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 500 == 499:
        print(step + 1, loss.item())
