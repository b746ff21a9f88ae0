"""Warnings that name the line of their caller, and tracebacks that a script prints itself, in a training."""

import sys
import traceback
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.simplefilter("always")
torch.manual_seed(0)


class Outer(nn.Module):
    """Warns of its caller, and of its caller's caller."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        warnings.warn("old layer", stacklevel=2)
        warnings.warn("old layer, called from afar", stacklevel=4)
        return self.inner(x)


class Hooked(nn.Module):
    def forward(self, x):
        return torch.relu(x)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        warnings.warn("in a backward pass", stacklevel=1)
        return grad * 2


net = nn.Sequential(Outer(), nn.ReLU(), nn.Linear(4, 3))
lstm, hooked = nn.LSTM(4, 4), Hooked()
hooked.register_forward_hook(lambda module, args, out: out + 0)
optimizer = torch.optim.SGD([*net.parameters(), *lstm.parameters()], lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
weights = list(net.parameters())


def loss():
    return net(torch.randn(5, 4)).square().mean()


def bad_closure():
    raise KeyError("in a closure")


def crash(*args):
    raise ValueError("in a hook")


def with_hook():
    bad = loss()
    bad.register_hook(crash)
    return bad


TRIED = {
    "softmax without a dimension": lambda: F.softmax(torch.ones(2, 3)),
    "module softmax without a dimension": lambda: nn.Softmax()(torch.ones(2, 3)),
    "nested softmax": lambda: nn.Sequential(nn.LogSoftmax())(torch.ones(2, 3)),
    "shapes that differ": lambda: F.mse_loss(torch.ones(2, 1), torch.ones(2)),
    "old sigmoid": lambda: F.sigmoid(torch.ones(2)),
    "reduce": lambda: F.l1_loss(torch.ones(2), torch.ones(2), size_average=True),
    "old names of backward": lambda: torch.autograd.backward(loss(), grad_variables=torch.ones(())),
    "only_inputs": lambda: torch.autograd.grad(loss(), weights, only_inputs=False),
    "in a backward pass": lambda: Doubled.apply(loss()).backward(),
    "clip_grad_norm": lambda: nn.utils.clip_grad_norm(weights, 1.0),
    "a wrong shape": lambda: net(torch.ones(2, 3)),
    "a wrong shape in lstm": lambda: lstm(torch.ones(2, 3, 5)),
    "too many arguments": lambda: net[2](torch.ones(2, 4), 1),
    "a wrong shape behind a hook": lambda: hooked("x"),
    "a vector": lambda: net(torch.randn(5, 4)).backward(),
    "no graph": lambda: torch.ones(()).backward(),
    "a second time": lambda: [twice.backward() for twice in [loss()] * 2],
    "a hook": lambda: with_hook().backward(),
    "a hook, autograd": lambda: torch.autograd.backward([with_hook()]),
    "a hook, grad": lambda: torch.autograd.grad(with_hook(), weights),
    "unused": lambda: torch.autograd.grad(loss(), [torch.ones(2, requires_grad=True)]),
    "no tensors": lambda: torch.autograd.backward(),
    "no inputs": lambda: torch.autograd.grad(loss(), None),
    "an unknown word": lambda: torch.autograd.backward(loss(), colour=1),
    "a generator": lambda: torch.autograd.backward(one for one in [loss(), loss()]),
    "an edge": lambda: torch.autograd.backward(torch.autograd.graph.get_gradient_edge(loss()), torch.ones(())),
    "not finite": lambda: nn.utils.clip_grad_norm_([poisoned()], 1.0, error_if_nonfinite=True),
    "a limit in words": lambda: nn.utils.clip_grad_value_(weights, "x"),
    "an unscaled step": lambda: scaler.step(torch.optim.SGD([torch.ones(2, requires_grad=True)])),
    "a scaled list": lambda: scaler.scale("x"),
    "a closure": lambda: torch.optim.LBFGS(weights).step(bad_closure),
}


def poisoned():
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.full((2,), torch.nan)
    return weight


for step in range(3):
    for name, act in TRIED.items():
        print(step, name, file=sys.stderr)
        try:
            act()
        except Exception:
            traceback.print_exc()
    optimizer.zero_grad()
    loss().backward()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
net(torch.ones(2, 3))
