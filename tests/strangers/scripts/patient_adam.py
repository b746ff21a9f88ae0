import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(6)
net = nn.Sequential(nn.Linear(24, 96), nn.GELU(), nn.Linear(96, 96), nn.GELU(), nn.Linear(96, 8))
opt = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1.0)
proto = torch.randn(8, 24)
for step in range(600):
    y = torch.randint(0, 8, (64,))
    x = proto[y] + 0.7 * torch.randn(64, 24)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 150 == 149:
        print(step + 1, loss.item())
