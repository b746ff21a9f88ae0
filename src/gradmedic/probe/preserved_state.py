"""Leave a model as it was, whatever is done with it in between."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put gradients, buffers, modes and random states back, whatever happens in between."""
    grads = [(parameter, parameter.grad) for parameter in model.parameters()]
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    modes = [(module, module.training) for module in model.modules()]
    python = random.getstate()
    try:
        with torch.random.fork_rng():
            for parameter, _ in grads:
                parameter.grad = None
            yield
    finally:
        random.setstate(python)
        for parameter, grad in grads:
            parameter.grad = grad
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        for module, training in modes:
            module.training = training
