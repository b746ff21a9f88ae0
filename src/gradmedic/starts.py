"""How weights can start, each with its fan-in as the call that uses it tells it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import sqrt

import torch
from torch import Generator, Tensor, nn

from gradmedic.patient import Patient, Weight

Draw = Callable[[Weight, Generator], None]
"""Writes a start into a weight matrix."""


@contextmanager
def started(patient: Patient, names: Sequence[str], draw: Draw, roles: Sequence[str] = ("matrix",)) -> Iterator[None]:
    """Draw the weights of these names (none: all) at their first use; the biases beside them become zero.

    The numbers come from a generator of their own, seeded like the script.
    """
    generators: dict[torch.device, Generator] = {}

    def start(weight: Weight) -> bool:
        if weight.role == "bias":
            weight.tensor.zero_()
            return True
        if weight.role not in roles:
            return False
        device = weight.tensor.device
        if device not in generators:
            generators[device] = Generator(device).manual_seed(torch.initial_seed() % 2**63)
        draw(weight, generators[device])
        return True

    with patient.on_first_use(start, (*names, *map(bias_of, names))):
        yield


def bias_of(name: str) -> str:
    """The name of the bias that stands beside a weight."""
    return f"{name.removesuffix('weight')}bias" if name.endswith("weight") else name


def normal(weight: Tensor, gain: float, fan: float, generator: Generator) -> None:
    """Normal numbers of standard deviation gain / sqrt(fan)."""
    weight.normal_(0.0, gain / sqrt(fan), generator=generator)


def orthogonal(weight: Tensor, gain: float, generator: Generator) -> None:
    """Orthogonal rows or columns; the square blocks of gates each for themselves."""
    size = weight.shape[-1]
    blocks = torch.split(weight, size) if weight.dim() == 2 and weight.shape[0] % size == 0 else (weight,)
    for block in blocks:
        nn.init.orthogonal_(block, gain, generator=generator)
