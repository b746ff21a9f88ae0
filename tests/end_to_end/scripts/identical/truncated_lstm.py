import torch
from torch import nn

torch.manual_seed(0)
cell, head = nn.LSTM(4, 8, num_layers=2, dropout=0.1, batch_first=True), nn.Linear(8, 1)
optimizer = torch.optim.RMSprop([*cell.parameters(), *head.parameters()], lr=1e-3)
state = None
for step in range(15):
    optimizer.zero_grad()
    out, state = cell(torch.randn(6, 10, 4), state)
    state = tuple(part.detach() for part in state)
    loss = (head(out) - 0.3).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
