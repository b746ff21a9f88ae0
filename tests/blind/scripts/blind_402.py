"""Three conditional quantiles with the pinball loss; wide sparse ReLU layer; annealed gradient noise (Neelakantan 2015)."""
import math

import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.manual_seed(11)
QS = torch.tensor([0.1, 0.5, 0.9])


def sample(n):
    x = torch.rand(n, 1) * 6 - 3
    y = 1.5 * torch.sin(1.5 * x) + (0.2 + 0.4 * x.abs()) * torch.randn(n, 1)
    return x, y


def pinball(pred, y):
    d = y - pred
    return torch.maximum(QS * d, (QS - 1) * d).mean()


class QuantileNet(nn.Module):
    def __init__(self, width=384):
        super().__init__()
        self.inp = nn.Linear(1, width)
        self.hidden = nn.Linear(width, 64)
        self.out = nn.Linear(64, 3)
        with torch.no_grad():
            # hinges spread over the range, most units are off for any one x
            self.inp.weight.copy_(torch.randn(width, 1).sign() * 1.5)
            self.inp.bias.uniform_(-5.0, 0.5)

    def forward(self, x):
        h = torch.relu(self.inp(x))
        h = torch.relu(self.hidden(h))
        return self.out(h)


x, y = sample(6000)
xt, yt = sample(3000)
net = QuantileNet()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
step = 0
for epoch in range(10):
    for idx in torch.randperm(len(x)).split(100):
        opt.zero_grad()
        loss = pinball(net(x[idx]), y[idx])
        loss.backward()
        sigma = math.sqrt(1e-4 / (1 + step) ** 0.55)
        for p in net.parameters():
            p.grad.add_(torch.randn_like(p.grad), alpha=sigma)
        opt.step()
        step += 1
    print("epoch", epoch, "pinball", round(loss.item(), 4))
with torch.no_grad():
    q = torch.quantile(y, QS).view(1, 3)
    pred = net(xt)
    print("coverage", (yt <= pred).float().mean(0).tolist())
    print("unconditional quantiles", pinball(q, yt).item())
    print("test pinball", pinball(pred, yt).item())
