import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.set_num_threads(1)
torch.manual_seed(4)


class Cell(nn.Module):
    """One weight-tied layer z -> tanh(W z + U x)."""

    def __init__(self, d_in, d):
        super().__init__()
        self.W = nn.Linear(d, d, bias=False)
        self.U = nn.Linear(d_in, d)
        with torch.no_grad():
            self.W.weight.mul_(0.5)

    def forward(self, z, x):
        return torch.tanh(self.W(z) + self.U(x))


class DEQ(nn.Module):
    def __init__(self, d_in=64, d=80, max_iter=25, tol=1e-4):
        super().__init__()
        self.cell = Cell(d_in, d)
        self.head = nn.Linear(d, 10)
        self.d, self.max_iter, self.tol = d, max_iter, tol

    def solve(self, f, z):
        for _ in range(self.max_iter):
            new = f(z)
            if (new - z).norm() < self.tol * (1 + z.norm()):
                return new
            z = new
        return z

    def forward(self, x):
        z = torch.zeros(len(x), self.d)
        with torch.no_grad():
            z = self.solve(lambda v: self.cell(v, x), z)
        z = self.cell(z, x)
        if self.training:
            # implicit differentiation: g solves g = J^T g + grad
            z0 = z.detach().requires_grad_()
            f0 = self.cell(z0, x)

            def hook(grad):
                return self.solve(lambda g: torch.autograd.grad(f0, z0, g, retain_graph=True)[0] + grad, grad)

            z.register_hook(hook)
        return self.head(z)


d = load_digits()
x = torch.tensor(d.data / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
model = DEQ()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(14):
    model.train()
    for idx in torch.randperm(1400).split(100):
        loss = F.cross_entropy(model(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print("epoch", epoch, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("accuracy", (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
