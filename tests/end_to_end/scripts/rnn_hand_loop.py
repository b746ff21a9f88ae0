"""A recurrent net written by hand: raw weights, `torch.sigmoid`, and a Python loop over time."""

import torch

torch.manual_seed(0)
torch.set_num_threads(1)
STEPS, BATCH, INPUTS, UNITS = 24, 16, 3, 8
W = (torch.randn(INPUTS, UNITS) * 0.5).requires_grad_()
U = (torch.randn(UNITS, UNITS) * 0.3).requires_grad_()
V = (torch.randn(UNITS, 1) * 0.5).requires_grad_()
optimizer = torch.optim.SGD([W, U, V], lr=0.1)
for _ in range(6):
    x = torch.randn(STEPS, BATCH, INPUTS)
    h = torch.zeros(BATCH, UNITS)
    for t in range(STEPS):
        h = torch.sigmoid(x[t] @ W + h @ U)
    loss = (h @ V - x[0].sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{loss.item():.6f}")
