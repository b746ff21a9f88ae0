"""Wrap functions of torch around, within and across a `with` block, and print what became of the calls and the weights.

With an argument the block is a watch that reads every step; without one it does nothing.
"""

import hashlib
import sys
from contextlib import nullcontext

import torch
import wrappers

watched = len(sys.argv) > 1
if watched:
    import gradmedic as gm

STEPS = 12
ENTER, LEAVE = 3, 9
TIMES = {"before": (0, 12), "until within": (1, 6), "within": (5, 7), "from within": (6, 11), "after": (10, 12)}
"""The step before which a wrapper is put on, and the one before which it is taken off."""


def train(name, first, last):
    torch.manual_seed(0)
    net = wrappers.Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=5)
    x, y = torch.randn(16, 6), torch.arange(16) % 3
    owner, attribute = wrappers.WRAPPED[name]
    calls, original, block = [], getattr(owner, attribute), nullcontext()
    for step in range(STEPS):
        if step == ENTER:
            block = gm.watch(every=1) if watched else nullcontext()
            block.__enter__()
        if step == LEAVE:
            block.__exit__(None, None, None)
        if step == first:
            original = getattr(owner, attribute)
            setattr(owner, attribute, wrappers.wrapper(original, calls))
        if step == last:
            setattr(owner, attribute, original)
        loss = wrappers.full_step(net, optimizer, x, y, scaler)
    if last == STEPS:
        setattr(owner, attribute, original)
    return (
        len(calls),
        loss.item().hex(),
        hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters())),
    )


for name in ("relu", "tensor-backward", "autograd-backward", "optimizer-step", "clip-norm"):
    for when, steps in TIMES.items():
        count, loss, digest = train(name, *steps)
        print(name, when, count, loss, digest.hexdigest()[:16])
