"""Masked attention over padded sets of variable length; now and then a set is empty and its whole row is masked."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.manual_seed(34)
MAXLEN, D = 10, 24
MIN_LEN = 0


class SetAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, D)
        self.query = nn.Parameter(torch.randn(D) * 0.1)
        self.key, self.value = nn.Linear(D, D), nn.Linear(D, D)
        self.head = nn.Sequential(nn.LayerNorm(D), nn.Linear(D, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x, pad):
        h = torch.tanh(self.embed(x))
        score = self.key(h) @ self.query / math.sqrt(D)
        score = score.masked_fill(pad, float("-inf"))
        weight = F.softmax(score, dim=1)
        pooled = (weight.unsqueeze(2) * self.value(h)).sum(1)
        return self.head(pooled)


def batch(n):
    x = torch.randn(n, MAXLEN, 4)
    length = torch.randint(1, MAXLEN + 1, (n,))
    empty = torch.rand(n) < 0.004
    length = torch.where(empty, MIN_LEN, length)
    pad = torch.arange(MAXLEN) >= length.unsqueeze(1)
    mean = x.masked_fill(pad.unsqueeze(2), 0).sum(1) / length.clamp(min=1).unsqueeze(1)
    return x, pad, (mean[:, 0] + mean[:, 1] > 0).long()


model = SetAttention()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for it in range(700):
    x, pad, y = batch(48)
    loss = F.cross_entropy(model(x, pad), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % 100 == 0:
        print("it", it, "loss", loss.item())
x, pad, y = batch(2000)
with torch.no_grad():
    print("accuracy", (model(x, pad).argmax(1) == y).float().mean().item())
