"""Train a net while a function of torch is wrapped, and print how often the wrapper ran and what became of the weights.

    wrappers.py NAME LOOP [FIRST LAST]

Between two steps, FIRST and LAST, the wrapper is there; it changes what it is given or what it hands back.
"""

import functools
import hashlib
import sys

import torch
from torch import nn
from torch.nn import functional as F

WRAPPED = {
    "relu": (F, "relu"),
    "dropout": (F, "dropout"),
    "softmax": (F, "softmax"),
    "cross-entropy": (F, "cross_entropy"),
    "tensor-backward": (torch.Tensor, "backward"),
    "autograd-backward": (torch.autograd, "backward"),
    "autograd-grad": (torch.autograd, "grad"),
    "optimizer-step": (torch.optim.SGD, "step"),
    "module-call": (nn.Module, "__call__"),
    "linear-forward": (nn.Linear, "forward"),
    "clip-norm": (nn.utils, "clip_grad_norm_"),
    "clip-value": (nn.utils, "clip_grad_value_"),
    "scaler-scale": (torch.amp.GradScaler, "scale"),
    "scaler-step": (torch.amp.GradScaler, "step"),
    "scaler-unscale": (torch.amp.GradScaler, "unscale_"),
    "scaler-update": (torch.amp.GradScaler, "update"),
}


def changed(value):
    if isinstance(value, torch.Tensor) and value.is_floating_point() and value.requires_grad:
        return value * 0.75
    return tuple(map(changed, value)) if type(value) is tuple else value


def wrapper(original, calls):
    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) < 4:
            print("call", len(calls))
        return changed(original(*map(changed, args), **kwargs))

    return functools.wraps(original)(counted) if len(original.__name__) % 2 else counted


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = F.dropout(F.relu(self.first(x)), 0.1, self.training)
        return self.second(h) + F.softmax(h[:, :3], dim=-1)


def plain_step(net, optimizer, x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss


def full_step(net, optimizer, x, y, scaler):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    (slope,) = torch.autograd.grad(loss, [net.first.weight], create_graph=True)
    scaler.scale(loss + 0.1 * slope.square().sum()).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    nn.utils.clip_grad_value_(net.parameters(), 0.5)
    scaler.step(optimizer)
    scaler.update()
    return loss


def main(name, loop, first="0", last="1000000"):
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    scaler = (torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5),) if loop == "full" else ()
    step = full_step if loop == "full" else plain_step
    x, y = torch.randn(16, 6), torch.arange(16) % 3
    owner, attribute = WRAPPED[name]
    calls, original = [], None
    for i in range(12 if loop == "full" else 400):
        if i == int(first):
            original = getattr(owner, attribute)
            setattr(owner, attribute, wrapper(original, calls))
        if i == int(last):
            setattr(owner, attribute, original)
        loss = step(net, optimizer, x, y, *scaler)
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters()))
    print(name, len(calls), loss.item().hex(), digest.hexdigest()[:16])


if __name__ == "__main__":
    main(*sys.argv[1:])
