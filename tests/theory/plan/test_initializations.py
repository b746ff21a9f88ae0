"""What torch's own modules draw is what they are expected to draw, whichever torch is installed."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod, sqrt
from typing import Any

import pytest
import torch
from torch import nn

from gradmedic.theory.plan.initializations import ParameterRole, default

MODULES: list[Any] = [
    partial(nn.Linear, 400, 300),
    partial(nn.Conv1d, 64, 96, 5),
    partial(nn.Conv2d, 48, 64, 3, groups=2),
    partial(nn.Conv3d, 16, 32, 3),
    partial(nn.ConvTranspose1d, 64, 96, 5),
    partial(nn.ConvTranspose2d, 48, 64, 3),
    partial(nn.ConvTranspose3d, 16, 32, 3),
    partial(nn.Embedding, 500, 100),
    *(partial(kind, 200, 150) for kind in (nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell)),
    partial(nn.MultiheadAttention, 256, 8),
    *(partial(kind, 256) for kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.RMSNorm)),
    partial(nn.GroupNorm, 8, 256),
    partial(nn.InstanceNorm2d, 256, affine=True),
]


def roles(module: nn.Module) -> Iterator[tuple[nn.Parameter, ParameterRole]]:
    """Each parameter of a module, and of those inside, with the part that it plays."""
    for name, parameter in module.named_parameters():
        path = name.rpartition(".")[0]
        owner = module.get_submodule(path)
        matrix = getattr(owner, "weight", None)
        fans = matrix if isinstance(matrix, torch.Tensor) and matrix.dim() > 1 else parameter
        fan = prod(fans.shape[1:])
        role = "weight" if parameter.dim() > 1 else "bias" if name.endswith("bias") else "other"
        yield parameter, ParameterRole(name, tuple(parameter.shape), type(owner).__name__, role, 0, fan, 0)


@pytest.mark.parametrize("make", MODULES, ids=lambda make: make.func.__name__)
def test_torch_draws_what_is_expected(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    module = make()
    for parameter, role in roles(module):
        law = default(role)
        assert law is not None
        drawn = parameter.detach().double()
        error = 5 / sqrt(drawn.numel())
        assert drawn.mean() == pytest.approx(law.mean, abs=error * sqrt(law.square) + 1e-12), role
        assert drawn.square().mean() == pytest.approx(law.square, rel=error, abs=1e-12), role
