import math
import torch
from torch import nn

torch.manual_seed(44)


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 48), nn.Tanh(), nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 2))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        a, b = x.flip(1).chunk(2, 1) if self.flip else x.chunk(2, 1)
        s, t = self.net(a).chunk(2, 1)
        s = 2 * torch.tanh(s)
        b = b * s.exp() + t
        return (torch.cat([b, a], 1) if self.flip else torch.cat([a, b], 1)), s.squeeze(1)


flow = nn.ModuleList(Coupling(i % 2 == 1) for i in range(8))
opt = torch.optim.Adam(flow.parameters(), lr=2e-3)
for step in range(700):
    t = torch.rand(256) * math.pi
    up = torch.randint(0, 2, (256,))
    x = torch.stack([t.cos() + up - 0.5, t.sin() * (1 - 2 * up) + 0.25 * up], 1) + 0.06 * torch.randn(256, 2)
    logdet = 0.0
    for layer in flow:
        x, ld = layer(x)
        logdet = logdet + ld
    nll = (0.5 * x.pow(2).sum(1) + math.log(2 * math.pi) - logdet).mean()
    opt.zero_grad()
    nll.backward()
    opt.step()
    if step % 175 == 174:
        print(step + 1, nll.item())
