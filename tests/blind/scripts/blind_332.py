import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
S = 24


def scenes(n):
    """Two small squares on a noisy background; about 3 percent of the pixels are foreground."""
    x = 0.3 * torch.randn(n, 1, S, S)
    m = torch.zeros(n, 1, S, S)
    for k in range(n):
        for _ in range(2):
            r, c = torch.randint(0, S - 3, (2,)).tolist()
            m[k, 0, r:r + 3, c:c + 3] = 1
    return x + 0.8 * m, m


def double(i, o):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True),
        nn.Conv2d(o, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, c=6):
        super().__init__()
        self.d1, self.d2, self.d3 = double(1, c), double(c, 2 * c), double(2 * c, 4 * c)
        self.up2 = nn.ConvTranspose2d(4 * c, 2 * c, 2, stride=2)
        self.u2 = double(4 * c, 2 * c)
        self.up1 = nn.ConvTranspose2d(2 * c, c, 2, stride=2)
        self.u1 = double(2 * c, c)
        self.out = nn.Conv2d(c, 1, 1)
        nn.init.constant_(self.out.bias, -3.5)  # rare foreground

    def forward(self, x):
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.d3(F.max_pool2d(b, 2))
        y = self.u2(torch.cat([self.up2(c), b], 1))
        y = self.u1(torch.cat([self.up1(y), a], 1))
        return self.out(y)


def dice_loss(logits, m):
    p = torch.sigmoid(logits)
    inter = (p * m).sum((1, 2, 3))
    return 1 - ((2 * inter + 1) / (p.sum((1, 2, 3)) + m.sum((1, 2, 3)) + 1)).mean()


x, m = scenes(400)
xt, mt = scenes(100)
net = UNet()
opt = torch.optim.RMSprop(net.parameters(), lr=2e-3)
for epoch in range(6):
    net.train()
    for i in torch.randperm(400).split(20):
        out = net(x[i])
        loss = F.binary_cross_entropy_with_logits(out, m[i]) + dice_loss(out, m[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    p, t = net(xt) > 0, mt > 0
print("IoU", ((p & t).sum() / (p | t).sum()).item())
