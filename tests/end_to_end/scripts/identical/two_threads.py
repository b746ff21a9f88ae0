import threading

import torch
from torch import nn

torch.manual_seed(0)
nets = [nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)) for _ in range(2)]
x = torch.randn(16, 4)
losses = [[], []]


def train(i):
    optimizer = torch.optim.Adam(nets[i].parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        loss = (nets[i](x) - i).pow(2).mean()
        loss.backward()
        optimizer.step()
        losses[i].append(loss.item())


threads = [threading.Thread(target=train, args=(i,)) for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(losses, threading.active_count())
