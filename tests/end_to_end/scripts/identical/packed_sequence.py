import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

torch.manual_seed(0)

cell, head = nn.GRU(3, 8, bidirectional=True), nn.Linear(16, 1)
optimizer = torch.optim.AdamW([*cell.parameters(), *head.parameters()], lr=1e-2)
rows = pack_sequence([torch.randn(n, 3) for n in (7, 4, 2)])
for step in range(15):
    optimizer.zero_grad()
    loss = (head(pad_packed_sequence(cell(rows)[0])[0]) - 1).pow(2).mean()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
