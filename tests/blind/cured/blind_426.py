"""Leaky integrator units read 60 steps; what matters (a pulse's sign) comes in the first five."""
import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(10)
T = 60
KEEP = 0.98


class LeakyCell(nn.Module):
    def __init__(self, n_in, n_hid, keep):
        super().__init__()
        self.keep = keep
        self.inp = nn.Linear(n_in, n_hid)
        self.rec = nn.Linear(n_hid, n_hid, bias=False)
        nn.init.normal_(self.rec.weight, std=0.1 / n_hid**0.5)

    def forward(self, x, h):
        return self.keep * h + (1 - self.keep) * torch.tanh(self.inp(x) + self.rec(h))


class Memory(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.cell = LeakyCell(2, hidden, KEEP)
        self.norm = nn.LayerNorm(hidden)
        self.out = nn.Linear(hidden, 2)

    def forward(self, x):
        h = torch.zeros(x.shape[0], self.out.in_features)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.out(self.norm(h))


def batch(n):
    y = torch.randint(0, 2, (n,))
    x = torch.zeros(n, T, 2)
    x[torch.arange(n), torch.randint(0, 5, (n,)), 0] = (2.0 * y - 1) * 3
    x[:, :, 1] = 0.3 * torch.randn(n, T)
    return x, y


net = Memory()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for it in range(220):
    x, y = batch(48)
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 40 == 0:
        print("iteration", it, "loss", loss.item())
x, y = batch(1000)
with torch.no_grad():
    print("accuracy", (net(x).argmax(1) == y).float().mean().item())
