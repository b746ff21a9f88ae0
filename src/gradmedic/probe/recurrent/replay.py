"""The gradient at every time step of a recurrent layer whose kernel shows only the ends.

A fused kernel hides d loss / d h_t. Its inputs, weights and the gradient at its outputs fix it,
though: the forward pass is run again, step by step and for a few rows of the batch, and the
gradient is carried back by hand. Without autograd, as nothing but h_t is wanted: all that does
not depend on the gradient (`slopes`) is computed for all steps at once, which leaves a handful of
small operations per step. Shapes: T steps, B rows, H units, P = H or the projected size.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf, isnan, log10
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from gradmedic.probe.reading.saturation import flat_entries
from gradmedic.probe.reading.statistics import wide

TINY = 5e-324
"""The smallest number there is, where a logarithm of zero would be needed."""


class LayerWeights(NamedTuple):
    """The weights of one layer in one direction."""

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None
    projection: Tensor | None = None


class RecurrentPass(NamedTuple):
    """What went into a recurrent module and what gradient came back, steps first.

    The states are stacked over layers and directions. `alive` (T, B, 1) says which rows have not
    ended yet. `calls` many calls of the module stand side by side along B.
    """

    x: Tensor
    h: Tensor
    c: Tensor
    grad_out: Tensor
    grad_h: Tensor
    grad_c: Tensor
    alive: Tensor | None = None
    calls: int = 1


class LayerReading(NamedTuple):
    """One layer in one direction: rms of d loss / d h_t in the order of processing, and its gates.

    `saturated` is per gate the share of entries whose slope is under 5 % of the largest slope.
    """

    layer: int
    direction: int
    profile: list[float]
    saturated: dict[str, float]
    forget_mean: float | None

    @property
    def decades(self) -> float:
        """What the recurrence did to the gradient between its last and its first step."""
        first, last = self.profile[0], self.profile[-1]
        if isnan(first) or not 0 < last < inf:
            return inf if isnan(last) else 0.0
        return log10(first or TINY) - log10(last)

    @property
    def share(self) -> float:
        """The saturated share of all gates together."""
        return sum(self.saturated.values()) / max(len(self.saturated), 1)


class Cell(ABC):
    """One layer in one direction, run forward over all steps and then backward.

    `gates` maps a gate's name to the function that squashes it and to its values at all steps.
    """

    def __init__(self, mode: str, weights: LayerWeights, alive: Tensor | None) -> None:
        self.mode = mode
        self.weights = weights
        self.alive = alive
        self.gates: dict[str, tuple[str, Tensor]] = {}

    @abstractmethod
    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        """All hidden states."""

    @abstractmethod
    def pull(self, grad_out: Tensor, grad_h: Tensor, grad_c: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients at all hidden states, and at all that the input weights feed."""

    def keep(self, t: int, new: Tensor, old: Tensor) -> Tensor:
        """`new`, but `old` for rows that have no such step."""
        return new if self.alive is None else torch.where(self.alive[t], new, old)


class Elman(Cell):
    """h' = f(W x + U h), f being tanh or ReLU."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        w, squash = self.weights, torch.tanh if self.mode == "RNN_TANH" else torch.relu
        recurrent, states = w.hidden.t(), []
        for t, a in enumerate(_affine(x, w.input, w.input_bias, w.hidden_bias)):
            h = self.keep(t, squash(torch.addmm(a, h, recurrent)), h)
            states.append(h)
        out = torch.stack(states)
        if self.mode == "RNN_TANH":
            self.gates = {"tanh": ("tanh", out)}
        self.slopes = 1 - out * out if self.gates else out.gt(0).to(out.dtype)
        return out

    def pull(self, grad_out: Tensor, grad_h: Tensor, grad_c: Tensor) -> tuple[Tensor, Tensor]:
        arriving, outs, slopes = [], grad_out.unbind(), self.slopes.unbind()
        for t in reversed(range(len(outs))):
            grad_h = grad_h + outs[t]
            arriving.append(grad_h)
            grad_h = self.keep(t, (grad_h * slopes[t]) @ self.weights.hidden, grad_h)
        grads = torch.stack(arriving[::-1])
        return grads, grads * self.slopes


class Gru(Cell):
    """n = tanh(W x + r * (U h + b)), h' = (1 - z) n + z h."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        w = self.weights
        recurrent, units = w.hidden.t(), h.shape[1]
        bias = x.new_zeros(3 * units) if w.hidden_bias is None else w.hidden_bias
        before, squashed, inner = [], [], []
        for t, a in enumerate(_affine(x, w.input, w.input_bias)):
            b = torch.addmm(bias, h, recurrent)
            rz = torch.sigmoid(a[:, : 2 * units] + b[:, : 2 * units])
            r, z = rz[:, :units], rz[:, units:]
            n = torch.tanh(torch.addcmul(a[:, 2 * units :], r, b[:, 2 * units :]))
            before.append(h)
            squashed.append(torch.cat((rz, n), 1))
            inner.append(b[:, 2 * units :])
            h = self.keep(t, torch.lerp(n, h, z), h)
        r, z, n = torch.stack(squashed).chunk(3, -1)
        self.gates = {"reset": ("sigmoid", r), "update": ("sigmoid", z), "candidate": ("tanh", n)}
        self._prepare(torch.stack(before), torch.stack(inner))
        return torch.stack([*before[1:], h])

    def _prepare(self, before: Tensor, inner: Tensor) -> None:
        r, z, n = (values for _, values in self.gates.values())
        at_n = (1 - z) * (1 - n * n)
        at_r = at_n * inner * r * (1 - r)
        at_z = (before - n) * z * (1 - z)
        self.slopes = torch.cat((at_r, at_z, at_n), -1)
        self.inner_slopes = torch.cat((at_r, at_z, at_n * r), -1)

    def pull(self, grad_out: Tensor, grad_h: Tensor, grad_c: Tensor) -> tuple[Tensor, Tensor]:
        arriving, outs, slopes = [], grad_out.unbind(), self.inner_slopes.unbind()
        updates = self.gates["update"][1].unbind()
        for t in reversed(range(len(outs))):
            grad_h = grad_h + outs[t]
            arriving.append(grad_h)
            at_gates = torch.cat((grad_h, grad_h, grad_h), 1) * slopes[t]
            grad_h = self.keep(t, torch.addmm(grad_h * updates[t], at_gates, self.weights.hidden), grad_h)
        grads = torch.stack(arriving[::-1])
        return grads, torch.cat((grads, grads, grads), -1) * self.slopes


class Lstm(Cell):
    """c' = f c + i g, h' = o tanh(c'), projected if there is a projection."""

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Tensor:
        w = self.weights
        recurrent, units = w.hidden.t(), c.shape[1]
        states, before, after, squashed = [], [], [], []
        for t, a in enumerate(_affine(x, w.input, w.input_bias, w.hidden_bias)):
            z = torch.addmm(a, h, recurrent)
            gates = torch.sigmoid(z)
            gates[:, 2 * units : 3 * units] = torch.tanh(z[:, 2 * units : 3 * units])
            i, f, g, o = gates.chunk(4, 1)
            before.append(c)
            squashed.append(gates)
            c = self.keep(t, torch.addcmul(f * c, i, g), c)
            after.append(torch.tanh(c))
            out = o * after[-1]
            h = self.keep(t, out if w.projection is None else linear(out, w.projection), h)
            states.append(h)
        self._prepare(torch.stack(squashed), torch.stack(before), torch.stack(after))
        return torch.stack(states)

    def _prepare(self, squashed: Tensor, before: Tensor, after: Tensor) -> None:
        i, f, g, o = squashed.chunk(4, -1)
        self.gates = {"input": ("sigmoid", i), "forget": ("sigmoid", f), "cell": ("tanh", g), "output": ("sigmoid", o)}
        self.slopes = torch.cat((g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), after * o * (1 - o)), -1)
        self.cell_slopes = o * (1 - after * after)

    def pull(self, grad_out: Tensor, grad_h: Tensor, grad_c: Tensor) -> tuple[Tensor, Tensor]:
        w, arriving, gates = self.weights, [], []
        outs, slopes, cell_slopes = grad_out.unbind(), self.slopes.unbind(), self.cell_slopes.unbind()
        forgets = self.gates["forget"][1].unbind()
        for t in reversed(range(len(outs))):
            grad_h = grad_h + outs[t]
            arriving.append(grad_h)
            at_out = grad_h if w.projection is None else grad_h @ w.projection
            at_c = torch.addcmul(grad_c, at_out, cell_slopes[t])
            gates.append(torch.cat((at_c, at_c, at_c, at_out), 1) * slopes[t])
            grad_h = self.keep(t, gates[-1] @ w.hidden, grad_h)
            grad_c = self.keep(t, at_c * forgets[t], grad_c)
        return torch.stack(arriving[::-1]), torch.stack(gates[::-1])


CELLS: Mapping[str, type[Cell]] = {"RNN_TANH": Elman, "RNN_RELU": Elman, "GRU": Gru, "LSTM": Lstm}


def replay(mode: str, layers: Sequence[Sequence[LayerWeights]], passage: RecurrentPass) -> list[LayerReading]:
    """Read every layer in every direction; `mode` is what nn.RNNBase calls its kind."""
    alive = passage.alive
    x, cells = passage.x, []
    for depth, weights in enumerate(layers):
        stack = [CELLS[mode](mode, w, alive if alive is None else _turn(alive, way)) for way, w in enumerate(weights)]
        first = depth * len(stack)
        outs = [
            _turn(cell.forward(_turn(x, way), passage.h[first + way], passage.c[first + way]), way)
            for way, cell in enumerate(stack)
        ]
        x = torch.cat(outs, -1)
        cells.append(stack)
    return _back(cells, passage)


def _back(cells: Sequence[Sequence[Cell]], passage: RecurrentPass) -> list[LayerReading]:
    readings = []
    grad_out = passage.grad_out
    for depth, stack in reversed(list(enumerate(cells))):
        below = []
        for way, (cell, part) in enumerate(zip(stack, grad_out.chunk(len(stack), -1), strict=True)):
            k = depth * len(stack) + way
            grads, at_inputs = cell.pull(_turn(part, way), passage.grad_h[k], passage.grad_c[k])
            readings.append(_reading(depth, way, cell, grads, passage.calls))
            below.append(_turn(at_inputs @ cell.weights.input, way) if depth else part)
        grad_out = torch.stack(below).sum(0)
        if passage.alive is not None:
            grad_out = torch.where(passage.alive, grad_out, 0.0)
    return readings[::-1]


def _reading(depth: int, way: int, cell: Cell, grads: Tensor, calls: int) -> LayerReading:
    steps, rows, units = grads.shape
    alive = grads.new_ones(steps, rows, 1) if cell.alive is None else cell.alive.to(grads.dtype)
    norms = torch.linalg.vector_norm(wide(grads * alive).reshape(steps, calls, -1), dim=-1)
    counts = wide(alive).reshape(steps, calls, -1).sum(-1) * units
    profile = (norms / counts.clamp(min=1).sqrt()).t().reshape(-1).tolist()
    shares = {name: _share(flat_entries(op, values), alive) for name, (op, values) in cell.gates.items()}
    forget = _share(cell.gates["forget"][1], alive) if "forget" in cell.gates else None
    return LayerReading(depth, way, profile, shares, forget)


def _share(values: Tensor | None, alive: Tensor) -> float:
    """The mean over rows that have not ended."""
    assert values is not None  # gates are sigmoids and tanhs
    return float((values * alive).sum(dtype=torch.float64) / (alive.sum(dtype=torch.float64) * values.shape[-1]))


def _affine(x: Tensor, weight: Tensor, *biases: Tensor | None) -> tuple[Tensor, ...]:
    given = [bias for bias in biases if bias is not None]
    return linear(x, weight, torch.stack(given).sum(0) if given else None).unbind()


def _turn(t: Tensor, way: int) -> Tensor:
    """Steps in the order in which a direction takes them."""
    return t.flip(0) if way else t
