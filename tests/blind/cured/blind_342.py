import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(0)
T, D = 45, 40


class Elman(nn.Module):
    """A recurrent cell written by hand, unrolled over the sequence."""

    def __init__(self, d_in, d, squash):
        super().__init__()
        self.w_in = nn.Parameter(torch.randn(d_in, d) / d_in ** 0.5)
        self.w_rec = nn.Parameter(torch.empty(d, d))
        self.b = nn.Parameter(torch.zeros(d))
        nn.init.orthogonal_(self.w_rec)
        self.squash = squash

    def forward(self, x):
        h = x.new_zeros(x.shape[1], self.b.shape[0])
        for x_t in x:
            h = self.squash(x_t @ self.w_in + h @ self.w_rec + self.b)
        return h


class Model(nn.Module):
    def __init__(self, squash=torch.tanh):
        super().__init__()
        self.rnn = Elman(6, D, squash)
        self.out = nn.Linear(D, 4)

    def forward(self, x):
        return self.out(self.rnn(x))


def make(n):
    """Which of four marks stood in the first two steps? Then comes only weak noise."""
    x = 0.05 * torch.randn(T, n, 6)
    y = torch.randint(0, 4, (n,))
    x[0, torch.arange(n), y] += 2
    x[1, torch.arange(n), y] += 2
    return x, y


model = Model()
opt = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for it in range(250):
    x, y = make(64)
    loss = F.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    if it % 50 == 0:
        print("it", it, "loss", loss.item())
x, y = make(600)
with torch.no_grad():
    print("accuracy", (model(x).argmax(1) == y).float().mean().item())
