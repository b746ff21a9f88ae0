import torch
from torch import nn

torch.manual_seed(0)
weight = nn.Parameter(torch.randn(8, 8, dtype=torch.complex64) / 3)
bias = nn.Parameter(torch.zeros(8, dtype=torch.complex64))
optimizer = torch.optim.Adam([weight, bias], lr=1e-2)
x = torch.fft.fft(torch.randn(16, 8))
for step in range(20):
    optimizer.zero_grad()
    loss = (x @ weight + bias - x.conj()).abs().pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
