import torch
from torch import nn

body = [module for _ in range(20) for module in (nn.Linear(64, 64), nn.Sigmoid())]
net = nn.Sequential(*body, nn.Linear(64, 1))


def loss_of(x, y):
    h = torch.relu(net(x))
    return -(y * torch.log(h)).mean()
