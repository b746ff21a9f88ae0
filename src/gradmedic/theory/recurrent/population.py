"""A recurrent layer through time: a population of its units, for two samples of the batch.

In a wide layer what comes back through W_hh is Gaussian noise for each unit, as large as the state
is, and as alike from step to step and from sample to sample (Chen+ 2018, Gilboa+ 2019). What a
unit makes of it is no simple function, so that some thousand units are drawn and stepped.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradmedic.theory.signals.parameter_law import ParameterLaw

UNITS = 4096
SETTLED = 4
"""Steps after which a population counts for the averages over time."""


@dataclass(frozen=True)
class LayerLaws:
    """The laws of one layer: `gates` rows of each matrix, in torch's order."""

    kind: str
    hidden: int
    inputs: int
    into: ParameterLaw
    back: ParameterLaw
    biases: tuple[tuple[ParameterLaw, ParameterLaw], ...]
    """For each gate that of the input's bias and that of the state's."""
    diagonal: float = 0.0
    """What the recurrent matrix has on its diagonal, if it is a multiple of one and little else."""

    @property
    def gates(self) -> int:
        """How many there are."""
        return {"lstm": 4, "gru": 3}.get(self.kind, 1)

    @property
    def back_gain(self) -> float:
        """The mean square that comes back of a state of mean square one, per gate."""
        return self.back.variance * self.hidden

    @property
    def into_gain(self) -> float:
        """The same for what goes in, per input."""
        return self.into.square * self.inputs


@dataclass(frozen=True)
class Slopes:
    """One step's slopes, unit by unit and sample by sample: what it takes to send a gradient back.

    `keep` leads from the state to the next one directly, `gates` from a change of each gate's
    operand, `inner` (of LSTM) from the output to the cell, `gates_in` those of the input's weights
    where they differ.
    """

    keep: Tensor
    gates: tuple[Tensor, ...]
    inner: Tensor | None = None
    output: Tensor | None = None
    gates_in: tuple[Tensor, ...] = ()


def pair(t: Tensor, other: Tensor | None = None) -> tuple[float, float]:
    """E[x y] of a sample with itself, and of two samples; `t` has the shape (2, units)."""
    other = t if other is None else other
    return float((t * other).mean()), float((t[0] * other[1] + t[1] * other[0]).mean() / 2)


@dataclass
class Population:
    """Units of one layer at one step, with what is remembered of the steps before."""

    weights: LayerLaws
    h: Tensor
    c: Tensor
    noise: list[Tensor]
    bias: list[tuple[Tensor, Tensor]]
    common: list[Tensor]
    """Of what goes in the part that stays the same through time."""
    alike: float = 0.0
    """Correlation of the state with the one before."""
    steps: int = 0
    slopes: Slopes | None = None
    past: "Past" = field(default_factory=lambda: Past())


@dataclass
class Past:
    """Averages over the steps so far: of each slope unit by unit, and of its square."""

    count: int = 0
    means: list[Tensor] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)
    """What each step keeps, of layers in which units keep to themselves."""
    growth: object = None
    """How a gradient grows by it (`growing.Growth`), kept for all steps."""

    def add(self, slopes: Sequence[Tensor]) -> None:
        """Take in one step."""
        if not self.means:
            self.means, self.squares = [torch.zeros_like(s) for s in slopes], [0.0 for _ in slopes]
        self.count += 1
        for i, slope in enumerate(slopes):
            self.means[i] = self.means[i] + slope
            self.squares[i] += float((slope**2).mean())

    def steady(self) -> tuple[list[float], list[float]]:
        """For each slope the mean square of its mean over time, and the mean square of the rest."""
        means = [float(((m / self.count) ** 2).mean()) for m in self.means]
        return means, [max(s / self.count - m, 0.0) for s, m in zip(self.squares, means, strict=True)]


class Dice:
    """Standard normal numbers, always the same ones."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator(device="cpu").manual_seed(seed)

    def units(self) -> Tensor:
        """One number for each unit, antithetic."""
        half = torch.randn(UNITS // 2, generator=self._generator, dtype=torch.float64)
        return torch.cat([half, -half])

    def samples(self, alike: float) -> Tensor:
        """Numbers for two samples with a correlation."""
        alike = min(max(alike, -1.0), 1.0)
        common, own = self.units(), (self.units(), self.units())
        sign = math.copysign(1.0, alike)
        shared, rest = math.sqrt(abs(alike)) * common, math.sqrt(1 - abs(alike))
        return torch.stack([shared + rest * own[0], sign * shared + rest * own[1]])


def start(weights: LayerLaws) -> Population:
    """Units before the first step, with their biases drawn."""
    dice = Dice(0)
    bias = [tuple(law.mean + math.sqrt(law.variance) * dice.units() for law in laws) for laws in weights.biases]
    zeros = torch.zeros(2, UNITS, dtype=torch.float64)
    common = [dice.units() for _ in range(weights.gates)]
    return Population(weights, zeros, zeros, [], [(b[0], b[1]) for b in bias], common)


@dataclass(frozen=True)
class Drive:
    """What goes in at one step: its mean square per input, and how alike it is for two samples, and through time."""

    square: float
    samples: float = 0.0
    time: float = 0.0


def stepped(old: Population, drive: Drive) -> Population:
    """The population one step later."""
    weights, dice = old.weights, Dice(old.steps + 1)
    square, between = pair(old.h)
    alike = between / square if square > 0 else 0.0
    noise = []
    for g in range(weights.gates):
        fresh = dice.samples(alike)
        rho = old.alike if old.noise else 0.0
        noise.append(rho * old.noise[g] + math.sqrt(max(1 - rho * rho, 0.0)) * fresh if old.noise else fresh)
    back = [math.sqrt(weights.back_gain * square) * n for n in noise]
    size = math.sqrt(weights.into_gain * drive.square)
    still = math.sqrt(max(drive.time, 0.0))
    into = [
        size * (still * old.common[g] + math.sqrt(1 - still**2) * dice.samples(drive.samples))
        for g in range(weights.gates)
    ]
    h, c, slopes = _CELLS[weights.kind](old, into, back)
    scale = math.sqrt(float((h**2).mean()) * square)
    lag = float((h * old.h).mean()) / scale if scale > 0 else 0.0
    new = Population(weights, h, c, noise, old.bias, old.common, lag, old.steps + 1, slopes, old.past)
    if new.steps >= SETTLED:
        new.past.add(recorded(slopes))
    if weights.diagonal:
        new.past.kept.append(slopes.keep)
    return new


def recorded(slopes: Slopes) -> list[Tensor]:
    """The slopes that a gradient passes through from state to state."""
    return [slopes.keep, *((slopes.inner,) if slopes.inner is not None else ()), *slopes.gates]


Cell = Callable[[Population, Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, Tensor, Slopes]]


def _plain(phi: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Cell:
    """h' = phi(W x + U h + b)."""

    def cell(old: Population, into: Sequence[Tensor], back: Sequence[Tensor]) -> tuple[Tensor, Tensor, Slopes]:
        z = into[0] + back[0] + sum(old.bias[0]) + old.weights.diagonal * old.h
        h, slope = phi(z)
        return h, old.c, Slopes(old.weights.diagonal * slope, (slope,))

    return cell


def _tanh(z: Tensor) -> tuple[Tensor, Tensor]:
    h = torch.tanh(z)
    return h, 1 - h * h


def _relu(z: Tensor) -> tuple[Tensor, Tensor]:
    return z.clamp(min=0), (z > 0).double()


def _lstm(old: Population, into: Sequence[Tensor], back: Sequence[Tensor]) -> tuple[Tensor, Tensor, Slopes]:
    """c' = f c + i g, h' = o tanh(c')."""
    i, f, g, o = (x + u + sum(b) for x, u, b in zip(into, back, old.bias, strict=True))
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * old.c + i * g
    t = torch.tanh(c)
    gates = (g * i * (1 - i), old.c * f * (1 - f), i * (1 - g * g))
    return o * t, c, Slopes(f, gates, o * (1 - t * t), t * o * (1 - o))


def _gru(old: Population, into: Sequence[Tensor], back: Sequence[Tensor]) -> tuple[Tensor, Tensor, Slopes]:
    """h' = (1 - z) n + z h, n = tanh(x + b + r (U h + b'))."""
    r = torch.sigmoid(into[0] + back[0] + sum(old.bias[0]))
    z = torch.sigmoid(into[1] + back[1] + sum(old.bias[1]))
    within = back[2] + old.bias[2][1]
    n = torch.tanh(into[2] + old.bias[2][0] + r * within)
    a = (1 - z) * (1 - n * n)
    for_r, for_z = a * within * r * (1 - r), (old.h - n) * z * (1 - z)
    return (1 - z) * n + z * old.h, old.c, Slopes(z, (for_r, for_z, a * r), gates_in=(for_r, for_z, a))


_CELLS: dict[str, Cell] = {"rnn_tanh": _plain(_tanh), "rnn_relu": _plain(_relu), "lstm": _lstm, "gru": _gru}
