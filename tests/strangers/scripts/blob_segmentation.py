import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(52)


def conv(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1, self.d2, self.mid = conv(1, 16), conv(16, 32), conv(32, 32)
        self.up, self.u1 = nn.ConvTranspose2d(32, 16, 2, stride=2), conv(32, 16)
        self.out = nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.mid(self.d2(F.max_pool2d(a, 2)))
        return self.out(self.u1(torch.cat([a, self.up(b)], 1)))


def batch(n):
    grid = torch.arange(24).float()
    c, r = 4 + 16 * torch.rand(n, 2, 1, 1), 2 + 4 * torch.rand(n, 1, 1)
    mask = ((grid[None, :, None] - c[:, 0]) ** 2 + (grid[None, None, :] - c[:, 1]) ** 2 < r**2).float()
    return (mask * 1.2 + 0.6 * torch.randn(n, 24, 24)).unsqueeze(1), mask.unsqueeze(1)


net = UNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(150):
    x, m = batch(16)
    logits = net(x)
    p = logits.sigmoid()
    dice = 1 - (2 * (p * m).sum() + 1) / (p.sum() + m.sum() + 1)
    loss = F.binary_cross_entropy_with_logits(logits, m) + dice
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 50 == 49:
        print(step + 1, loss.item())
