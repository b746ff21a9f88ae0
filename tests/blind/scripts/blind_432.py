"""Bilinear pooling of two views; both projections start at zero, as 'safe' zero-initialised adapters would."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(24)
N = 3000
a, b = torch.randn(N, 12), torch.randn(N, 12)
wa, wb = torch.randn(12, 3) / 3, torch.randn(12, 3) / 3
y = ((a @ wa) * (b @ wb)).sum(1) + 0.2 * a[:, 0] + 0.1 * torch.randn(N)


class Bilinear(nn.Module):
    def __init__(self, rank=8):
        super().__init__()
        self.left = nn.Linear(12, rank, bias=False)
        self.right = nn.Linear(12, rank, bias=False)
        self.linear = nn.Linear(24, 1)
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.zeros_(self.left.weight)
        nn.init.zeros_(self.right.weight)

    def forward(self, a, b):
        inter = (self.left(a) * self.right(b)).sum(1)
        return inter + self.linear(torch.cat([a, b], 1)).squeeze(1)


model = Bilinear()
optim = torch.optim.AdamW(model.parameters(), lr=1e-2)
for epoch in range(20):
    for idx in torch.randperm(2400).split(60):
        loss = F.mse_loss(model(a[idx], b[idx]), y[idx])
        optim.zero_grad()
        loss.backward()
        optim.step()
    if epoch % 5 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    print("test mse", F.mse_loss(model(a[2400:], b[2400:]), y[2400:]).item())
