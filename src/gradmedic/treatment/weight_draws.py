"""How weights can start, each with its fan-in as the call that uses it tells it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import sqrt

import torch
from torch import Generator, Tensor, nn

from gradmedic.base.errors import GradmedicError, RemedyError
from gradmedic.base.surroundings import ranks
from gradmedic.diagnosis.features.structure import blames_weights, weights_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.theory.activations import activation
from gradmedic.theory.kernels.critical import Critical, critical, on_edge
from gradmedic.treatment.patient import FirstUse, Patient

Draw = Callable[[FirstUse, Generator], object]
"""Writes a start into a weight."""

LOST, HUGE = 1e-3, 10.0
"""Root mean squares of an embedding under and over which it is drawn anew along with the matrices."""

BY_HAND = {"clamp": "relu", "maximum": "relu"}
"""What ReLU is called where it is written by hand."""


def edge(name: str) -> Critical | None:
    """Where gradients keep their size behind an activation, for signals of size one; None if there is no such place.

    Sigmoid, hard sigmoid and softplus have none: biases would need a negative variance.
    """
    try:
        point = on_edge(activation(BY_HAND.get(name, name)), 1.0)
    except GradmedicError:
        return None
    return point if point.feasible else None


def start_for(name: str) -> Critical:
    """Where gradients keep their size behind an activation, for signals of size one or of the nearest size possible.

    Sigmoid has such a place where signals are large, at a gain of ten. Raises `RemedyError` where there
    is none, or nobody knows the activation.
    """
    try:
        return critical(BY_HAND.get(name, name))
    except GradmedicError as error:
        raise RemedyError(str(error)) from None


def blamed(finding: Finding, recording: Recording) -> Iterable[tuple[str, ...]]:
    """Whose weights may be drawn anew: all, and those that the finding names; nobody's, if it blames no weights."""
    return dict.fromkeys(((), weights_of(finding, recording))) if blames_weights(finding, recording) else ()


@contextmanager
def started(patient: Patient, names: Sequence[str], draws: Mapping[str, Draw]) -> Iterator[None]:
    """Give the weights of these names (none: all) their start at their first use, each by its role.

    The numbers come from a generator of their own, seeded like the script; those of several processes that
    train the same weights are the same.
    """
    generators: dict[torch.device, Generator] = {}

    def start(weight: FirstUse) -> bool:
        draw = draws.get(weight.role)
        if draw is None:
            return False
        device = weight.tensor.device
        if device not in generators:
            generators[device] = Generator(device).manual_seed(0 if is_distributed() else torch.initial_seed() % 2**63)
        return draw(weight, generators[device]) is not False

    with patient.on_first_use(start, (*names, *map(bias_of, names))):
        yield


def is_distributed() -> bool:
    """True where several processes train the same weights."""
    return ranks() > 1


def bias_of(name: str) -> str:
    """The name of the bias that stands beside a weight."""
    return f"{name.removesuffix('weight')}bias" if name.endswith("weight") else name


def zero(weight: FirstUse, _: Generator) -> None:
    """Start at zero, as biases do."""
    weight.tensor.zero_()


def table(weight: FirstUse, generator: Generator) -> bool:
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
    for block in blocks(weight):
        nn.init.orthogonal_(block, gain, generator=generator)


def identity(weight: Tensor, gain: float) -> None:
    """Ones on the diagonal, times the gain; of the square blocks of gates in each."""
    for block in blocks(weight):
        nn.init.eye_(block).mul_(gain)


def blocks(weight: Tensor) -> tuple[Tensor, ...]:
    """The square blocks of a matrix that holds those of several gates; another one as it is."""
    size = weight.shape[-1]
    return torch.split(weight, size) if weight.dim() == 2 and weight.shape[0] % size == 0 else (weight,)
