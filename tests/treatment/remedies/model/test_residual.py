"""What goes into a module is added to what comes out, where that fits."""

from typing import Any

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.model.residual import Residual


def test_blocks_of_equal_shape_get_a_shortcut_and_others_do_not() -> None:
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    x = torch.randn(3, 4)
    with given(Residual(("*",), 0.5), model):
        seen = model(x)
    h = x + 0.5 * model[0](x)
    h = h + 0.5 * model[1](h)
    assert torch.allclose(seen, model[2](h))


def test_the_gradient_passes_by_what_takes_it_away() -> None:
    model: Any = nn.Sequential(*[nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(20)])
    sizes = []
    for names in ((), ("*",)):
        x = torch.ones(2, 8, requires_grad=True)
        with given(Residual(names), model):
            model(x).sum().backward()
        assert x.grad is not None
        sizes.append(float(x.grad.norm()))
    assert sizes[0] < 1e-9
    assert sizes[1] > 0.1
