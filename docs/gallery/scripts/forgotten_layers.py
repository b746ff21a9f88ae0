"""Blocks in a plain list: no optimizer ever hears of them."""

import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 64)
        self.blocks = [nn.Linear(64, 64) for _ in range(4)]
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.head(x)


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
inputs = torch.randn(1024, 16)
targets = (inputs[:, :4] * inputs[:, 4:8]).argmax(1)

for _ in range(200):
    batch = torch.randperm(1024)[:64]
    loss = nn.functional.cross_entropy(net(inputs[batch]), targets[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}")
