import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
S = 20


def shapes(n):
    """Noisy pictures with one bright disc each; the target is the mask of the disc."""
    yy, xx = torch.meshgrid(torch.arange(S), torch.arange(S), indexing="ij")
    c = torch.rand(n, 2) * 12 + 4
    r = torch.rand(n) * 2 + 2
    mask = ((yy - c[:, 0, None, None]) ** 2 + (xx - c[:, 1, None, None]) ** 2 < r[:, None, None] ** 2).float()
    stripes = (torch.sin(xx * 0.9) * 0.4).expand(n, S, S)
    return (mask * 0.9 + stripes + 0.35 * torch.randn(n, S, S))[:, None], mask[:, None]


class FCN(nn.Module):
    def __init__(self, c=12):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=1), nn.ReLU(),
            nn.Conv2d(c, c, 3, padding=2, dilation=2), nn.ReLU(),
        )
        self.score = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        return self.score(self.features(x))


def prior_init(module, pi=0.05):
    # rare foreground: start from the prior probability, as in focal loss
    nn.init.constant_(module.score.bias, -math.log((1 - pi) / pi))


net = FCN()
prior_init(net)
x, m = shapes(500)
xt, mt = shapes(200)
opt = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
for epoch in range(6):
    for i in torch.randperm(500).split(25):
        loss = F.binary_cross_entropy_with_logits(net(x[i]), m[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    p = net(xt) > 0
    inter = (p & (mt > 0)).sum().float()
    union = (p | (mt > 0)).sum().float()
print("IoU", (inter / union).item())
