import torch
import torch.nn as nn

torch.manual_seed(0)
torch.set_num_threads(1)


class Cell(nn.Module):
    def __init__(self, n_in, n_hid):
        super().__init__()
        self.i2h = nn.Linear(n_in, n_hid)
        self.h2h = nn.Linear(n_hid, n_hid, bias=False)
        nn.init.normal_(self.h2h.weight, std=2.2 / n_hid ** 0.5)

    def forward(self, x, h):
        return torch.relu(self.i2h(x) + self.h2h(h))


class SumNet(nn.Module):
    def __init__(self, n_hid=48):
        super().__init__()
        self.cell, self.out = Cell(1, n_hid), nn.Linear(n_hid, 1)

    def forward(self, x):
        h = torch.zeros(len(x), self.out.in_features)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t:t + 1], h)
        return self.out(h).squeeze(1)


x = torch.rand(1200, 40)
y = x.sum(1) / 10 - 2
net = SumNet()
opt = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(8):
    for k in torch.randperm(1000).split(40):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(x[k]), y[k])
        loss.backward()
        opt.step()
    print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", nn.functional.mse_loss(net(x[1000:]), y[1000:]).item())
