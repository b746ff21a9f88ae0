import torch
from torch import nn

torch.manual_seed(33)
net = nn.Sequential(*[layer for _ in range(14) for layer in (nn.Linear(32, 32), nn.ReLU())], nn.Linear(32, 1))
for layer in net:
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=0.5)
        nn.init.zeros_(layer.bias)
opt = torch.optim.SGD(net.parameters(), lr=1e-3)
w = torch.randn(32, 1)
for step in range(200):
    x = torch.randn(64, 32)
    loss = (net(x) - x @ w).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 40 == 0:
        print(step, loss.item())
