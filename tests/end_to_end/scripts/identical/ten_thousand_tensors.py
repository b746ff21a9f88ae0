import torch
from torch import nn

torch.manual_seed(0)
pieces = nn.ParameterList([nn.Parameter(torch.randn(2)) for _ in range(10_000)])
optimizer = torch.optim.SGD(pieces.parameters(), lr=10.0)
for step in range(2):
    optimizer.zero_grad()
    loss = torch.stack([piece.sin() for piece in pieces]).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
