"""A hand-written recurrent cell reads a row of numbers and says whether the first was larger than the last."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(6)
T, H = 30, 48


class Cell(nn.Module):
    def __init__(self, i, h):
        super().__init__()
        self.w_in = nn.Parameter(torch.randn(h, i) * 0.3)
        self.w_rec = nn.Parameter(torch.empty(h, h))
        self.b = nn.Parameter(torch.zeros(h))
        self.reset()

    def reset(self):
        nn.init.orthogonal_(self.w_rec, gain=1.25)

    def forward(self, x, h):
        return F.leaky_relu(x @ self.w_in.T + h @ self.w_rec.T + self.b, 0.5)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = Cell(1, H)
        self.out = nn.Linear(H, 2)

    def forward(self, x):
        h = x.new_zeros(len(x), H)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.out(h)


def batch(n):
    x = torch.rand(n, T, 1) * 2 - 1
    return x, (x[:, 0, 0] > x[:, -1, 0]).long()


net = Reader()
opt = torch.optim.RMSprop(net.parameters(), lr=1e-3)
for it in range(450):
    x, y = batch(64)
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 50 == 0:
        print(it, loss.item())
x, y = batch(1000)
with torch.no_grad():
    print("accuracy", (net(x).argmax(1) == y).float().mean().item())
