"""Fraud-like data, 3 % positives with weak evidence: focal loss, prior in the output bias, plain SGD."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score

torch.set_num_threads(1)
torch.manual_seed(19)


def make(n):
    y = (torch.rand(n) < 0.03).float()
    x = torch.randn(n, 20)
    x[:, :4] += 0.9 * y.unsqueeze(1)
    x[:, 4] *= 1 + 1.0 * y
    return x, y


def focal(logit, y, gamma=1.5, alpha=0.6):
    ce = F.binary_cross_entropy_with_logits(logit, y, reduction="none")
    pt = torch.exp(-ce)
    w = torch.where(y > 0, alpha, 1 - alpha)
    return (w * (1 - pt) ** gamma * ce).mean()


class Detector(nn.Module):
    def __init__(self, prior=0.03):
        super().__init__()
        self.fc1 = nn.Linear(20, 64)
        self.fc2 = nn.Linear(64, 32)
        self.head = nn.Linear(32, 1)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(self.head.bias, math.log(prior / (1 - prior)))

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.head(x).squeeze(1)


x, y = make(12000)
xt, yt = make(6000)
net = Detector()
opt = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9, nesterov=True, weight_decay=1e-4)
for epoch in range(12):
    running = 0.0
    for idx in torch.randperm(len(x)).split(120):
        loss = focal(net(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        running += loss.item() / 100
    print("epoch", epoch, "focal", f"{running:.5f}")
with torch.no_grad():
    print("auc", roc_auc_score(yt.numpy(), net(xt).numpy()))
