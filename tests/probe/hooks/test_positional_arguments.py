"""Arguments of torch's backward functions are understood by position as by name."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gradmedic.probe.hooks.listener import Watcher
from gradmedic.probe.hooks.torch_hooks import Seat


class Noting(Watcher):
    """Notes what it is told of a pass."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []
        self.higher: list[bool] = []

    def trains(self, outputs: Any, inputs: Any, higher: bool) -> bool:
        self.higher.append(higher)
        return True

    def begin(self, roots: Any, inputs: Any, frame: Any) -> Any:
        self.inputs.append(inputs)
        return None


def noted(call: Callable[[Tensor, Tensor], Any]) -> tuple[Noting, Tensor]:
    """What a watcher is told while something is done with a loss and its leaf."""
    x = torch.ones(2, requires_grad=True)
    make: Any = Noting  # what else it may be told does nothing in a watcher
    watcher: Noting = make()
    seat = Seat(watcher)
    seat.take()
    try:
        call(x.square().sum(), x)
    finally:
        seat.rise()
    return watcher, x


@pytest.mark.parametrize(
    "call",
    [
        lambda loss, x: torch.autograd.backward([loss], None, False, False, None, [x]),
        lambda loss, x: torch.autograd.backward([loss], inputs=[x]),
    ],
)
def test_the_inputs_of_a_backward_pass_are_seen(call: Callable[[Tensor, Tensor], Any]) -> None:
    watcher, x = noted(call)
    assert len(watcher.inputs) == 1
    assert watcher.inputs[0][0] is x


@pytest.mark.parametrize(
    ("call", "higher"),
    [
        (lambda loss, x: torch.autograd.grad(loss, x, None, True, True), True),
        (lambda loss, x: torch.autograd.grad(loss, x, create_graph=True), True),
        (lambda loss, x: torch.autograd.grad(loss, x, None, True, False), False),
    ],
)
def test_whether_a_gradient_gets_a_graph_is_seen(call: Callable[[Tensor, Tensor], Any], higher: bool) -> None:
    assert noted(call)[0].higher == [higher]
