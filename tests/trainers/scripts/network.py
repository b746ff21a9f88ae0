"""What all scripts train: twelve sigmoids, or with `healthy` three ReLUs, on points that a line parts."""

import hashlib
import sys

import torch
from torch import nn

HEALTHY = "healthy" in sys.argv


def network():
    """A stack of layers."""
    torch.manual_seed(0)
    depth, activation = (3, nn.ReLU) if HEALTHY else (12, nn.Sigmoid)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(16, 16), activation())]
    return nn.Sequential(*layers, nn.Linear(16, 2))


def points():
    """Inputs and classes."""
    torch.manual_seed(1)
    x = torch.randn(1024, 16)
    return x, (x[:, 0] > 0).long()


def say_weights(parameters):
    """Print what the weights have become."""
    data = b"".join(parameter.detach().cpu().numpy().tobytes() for parameter in parameters)
    print("weights", hashlib.sha256(data).hexdigest())
