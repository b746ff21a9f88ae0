"""How weights can start, each with its fan-in as the call that uses it tells it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import sqrt

import torch
from torch import Generator, Tensor, nn

from gradmedic.patient import Patient, Weight

Draw = Callable[[Weight, Generator], object]
"""Writes a start into a weight."""

LOST, HUGE = 1e-3, 10.0
"""Root mean squares of an embedding under and over which it is drawn anew along with the matrices."""

GAINS: Mapping[str, tuple[float, float]] = {
    "relu": (1.4142, 0.0),
    "leaky_relu": (1.4141, 0.0),
    "clamp": (1.4142, 0.0),
    "maximum": (1.4142, 0.0),
    "tanh": (1.4674, 0.1510),
    "hardtanh": (1.2103, 0.2441),
    "softsign": (2.0958, 0.1961),
    "elu": (1.2234, 0.0347),
    "celu": (1.2234, 0.0347),
    "selu": (0.9660, 0.0668),
    "gelu": (1.4811, 0.0672),
    "silu": (1.6233, 0.0625),
    "mish": (1.4448, 0.0558),
    "hardswish": (1.6701, 0.0752),
    "identity": (1.0, 0.0),
}
"""Where gradients keep their size: standard deviation of weights x root of the fan-in, and variance of
biases, for signals of size one. Sigmoid, hard sigmoid and softplus have no such place."""


@contextmanager
def started(patient: Patient, names: Sequence[str], draws: Mapping[str, Draw]) -> Iterator[None]:
    """Give the weights of these names (none: all) their start at their first use, each by its role.

    The numbers come from a generator of their own, seeded like the script.
    """
    generators: dict[torch.device, Generator] = {}

    def start(weight: Weight) -> bool:
        draw = draws.get(weight.role)
        if draw is None:
            return False
        device = weight.tensor.device
        if device not in generators:
            generators[device] = Generator(device).manual_seed(torch.initial_seed() % 2**63)
        return draw(weight, generators[device]) is not False

    with patient.on_first_use(start, (*names, *map(bias_of, names))):
        yield


def bias_of(name: str) -> str:
    """The name of the bias that stands beside a weight."""
    return f"{name.removesuffix('weight')}bias" if name.endswith("weight") else name


def zero(weight: Weight, _: Generator) -> None:
    """Start at zero, as biases do."""
    weight.tensor.zero_()


def table(weight: Weight, generator: Generator) -> bool:
    """Start an embedding whose entries are lost, or huge, at a size of one over the root of its width."""
    if LOST < float(weight.tensor.square().mean().sqrt()) < HUGE:
        return False
    normal(weight.tensor, 1.0, weight.tensor.shape[-1], generator)
    return True


def normal(weight: Tensor, gain: float, fan: float, generator: Generator) -> None:
    """Normal numbers of standard deviation gain / sqrt(fan)."""
    weight.normal_(0.0, gain / sqrt(fan), generator=generator)


def orthogonal(weight: Tensor, gain: float, generator: Generator) -> None:
    """Orthogonal rows or columns; the square blocks of gates each for themselves."""
    size = weight.shape[-1]
    blocks = torch.split(weight, size) if weight.dim() == 2 and weight.shape[0] % size == 0 else (weight,)
    for block in blocks:
        nn.init.orthogonal_(block, gain, generator=generator)
