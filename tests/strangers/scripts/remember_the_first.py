import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(29)
T = 120


class Memory(nn.Module):
    def __init__(self, h=48):
        super().__init__()
        self.wx, self.wh = nn.Linear(5, h), nn.Linear(h, h, bias=False)
        self.out = nn.Linear(h, 4)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 48)
        for t in range(x.shape[1]):
            h = torch.tanh(self.wx(x[:, t]) + self.wh(h))
        return self.out(h)


net = Memory()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(150):
    y = torch.randint(0, 4, (32,))
    x = torch.zeros(32, T, 5)
    x[:, 0] = F.one_hot(y, 5).float() * 2
    x[:, 1:, 4] = torch.randn(32, T - 1)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 49:
        print(step + 1, loss.item())
