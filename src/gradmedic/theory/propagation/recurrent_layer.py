"""nn.RNN, nn.LSTM and nn.GRU: whole layers through time, however torch has computed them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, rule, signal
from gradmedic.theory.recurrent.gradient_growth import Both, growth_of
from gradmedic.theory.recurrent.population import Drive, LayerLaws
from gradmedic.theory.recurrent.unrolled import SentGradients, Unrolled, back_through, over_time, parameter_squares, run
from gradmedic.theory.signals.axes import Axis, diagonal, over, pairs
from gradmedic.theory.signals.signal import UNITS, Atom, Signal
from gradmedic.theory.signals.unit_instance import parted


@rule("recurrent_layer")
def recurrent_layer(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Layer by layer and direction by direction a population through time (`recurrence`, `through_time`).

    The operands are x and the parameters, four for each layer and direction.
    """
    frame = _Frame.of(step, signal(inputs[0]) if isinstance(inputs[0], Signal) else None)
    runs, drives = list[list[Unrolled]](), [frame.drives()]
    for layer, kinds in enumerate(step.attributes["layers"]):
        given = [_given(step, inputs, layer * len(kinds) + d, own) for d, own in enumerate(kinds)]
        runs.append([run(weights, drives[-1], frame.length) for weights in given])
        drives.append(_next(runs[-1]))
    outputs = tuple(frame.output(role, runs[-1]) for role in step.attributes["roles"])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        arriving = frame.arriving(step.attributes["roles"], grads, len(runs[-1]))
        squares, n = list[float](), Unrolled.followed(frame.length)
        for layer in reversed(range(len(runs))):
            sent = [back_through(seq, g) for seq, g in zip(runs[layer], arriving, strict=True)]
            below = over_time(_values(drives[layer], n), drives[layer][0].time)
            own = [parameter_squares(seq, s, below, frame.count) for seq, s in zip(runs[layer], sent, strict=True)]
            squares = [square for each in own for square in each] + squares
            into = _into(runs[layer], sent)
            arriving = [into for _ in (runs[layer - 1] if layer else [None])]
        # Of a sequence that is longer the steps before are as those that were followed.
        more = frame.length / n if frame.spreads(grads) else 1.0
        return [frame.input_grad(arriving[0]), *(square * more for square in squares)][: len(inputs)]

    return Propagation(outputs, back, elastic=(0.5,), growth=partial(growth_of, runs[-1][0].states[-1]))


def _given(step: Step, inputs: Sequence[Value], place: int, known: LayerLaws) -> LayerLaws:
    """The weights of one direction, with the laws that the plan has by now."""
    own = inputs[1 + 4 * place : 5 + 4 * place]
    into, state = own[:2]
    if not isinstance(into, WeightOperand) or not isinstance(state, WeightOperand):
        raise NoRuleError("recurrent weights are unknown")
    laws = step.attributes["laws"][place]
    changed = replace(known, into=into.law)
    if state.law != laws[1]:
        changed = replace(changed, back=state.law, diagonal=0.0)
    biases = [b.law for b in own[2:] if isinstance(b, WeightOperand)]
    if len(biases) == 2 and biases != list(laws[2:]):
        changed = replace(changed, biases=((biases[0], biases[1]),) * known.gates)
    return changed


def _next(runs: Sequence[Unrolled]) -> list[Drive]:
    """What a layer hands to the next one: the states of all directions, on average over units."""
    steps = len(runs[0].states)
    squares = [seq.squares for seq in runs]
    found = []
    for t in range(steps):
        same = sum(s[t][0] for s in squares) / len(runs)
        between = sum(s[t][1] for s in squares) / len(runs)
        apart = sum(seq.apart()[0][0] for seq in runs) / len(runs)
        found.append(Drive(same, between / same if same else 0.0, min(max(apart / same, 0.0), 1.0) if same else 0.0))
    return found


def _values(drives: Sequence[Drive], length: int) -> list[Both]:
    known = [(drive.square, drive.square * drive.samples) for drive in drives]
    return [known[min(t, len(known) - 1)] for t in range(length)]


def _into(runs: Sequence[Unrolled], sent: Sequence[SentGradients]) -> Tensor:
    """The gradient of what goes into a layer, between any two steps: from all directions."""
    found = torch.zeros_like(sent[0].into)
    for seq, own in zip(runs, sent, strict=True):
        found = found + seq.weights.into.square * seq.weights.hidden * own.into
    return found


@dataclass(frozen=True)
class _Frame:
    """How sequences lie in tensors: which dimension is time, which is the batch."""

    x: Signal | None
    length: int
    count: int
    batch_first: bool

    @classmethod
    def of(cls, step: Step, x: Signal | None) -> "_Frame":
        first = bool(step.attributes["batch_first"])
        shape = next(
            (s for s, role in zip(step.shapes, step.attributes["roles"], strict=True) if role == "output"), None
        )
        shape = shape or (x.shape if x is not None else (1, 1, 1))
        if len(shape) == 2:
            return cls(x, shape[0], 1, False)
        return cls(x, shape[1 if first else 0], shape[0 if first else 1], first)

    @property
    def time(self) -> int:
        """The dimension of time."""
        return 1 if self.batch_first else 0

    def drives(self) -> list[Drive]:
        """What goes in, the same at each step."""
        if self.x is None:
            return [Drive(0.0)]
        x = self.x.blended()
        same = float(x.squares[0])
        if same <= 0:
            return [Drive(0.0)]
        samples, time = (self._between(x, dim) / same for dim in (1 - self.time, self.time))
        return [Drive(same, samples, min(max(time, 0.0), 1.0))]

    def _between(self, x: Signal, dim: int) -> float:
        """The mean over pairs that differ along one dimension only."""
        if len(x.dims) < 3 and dim != self.time:
            return 0.0
        axis_of = [atom.axis for atom in x.dims[dim]] if dim < len(x.dims) else []
        k, size = x.k, 1.0
        for position in reversed(range(len(x.axes))):
            apart = position in axis_of
            k = over(k, position + 1, pairs(x.axes[position]) if apart else diagonal(x.axes[position]))
            size *= x.axes[position].size if apart else 1
        same = float(x.squares[0])
        return (size * float(k[0]) - same) / (size - 1) if size > 1 else 0.0

    def output(self, role: str, runs: Sequence[Unrolled]) -> Signal | None:
        """All states, or the last ones."""
        if role == "c":
            return None
        width = runs[0].weights.hidden
        batch = (Axis(self.count),) if self.count > 1 else ()
        if role == "h":
            last = [seq.squares[-1] for seq in runs]
            k = torch.tensor([b[: 1 + len(batch)] for b in last], dtype=torch.float64)
            means = [seq.mean(seq.length - 1) for seq in runs]
            dims = (() if len(runs) == 1 else (Atom(len(runs), UNITS),), *self._batch(0))
            return _built(
                k.reshape(len(runs), *(2 for _ in batch)), means, batch, (*dims, (Atom(width, UNITS),)), width
            )
        return self._whole(runs, batch, width)

    def _batch(self, position: int) -> tuple[tuple[Atom, ...], ...]:
        return ((Atom(self.count, position),) if self.count > 1 else (),)

    def _whole(self, runs: Sequence[Unrolled], batch: tuple[Axis, ...], width: int) -> Signal:
        """All states: the last step is a group of its own, unless there are two directions."""
        grouped = len(runs) == 1 and self.length > 1
        groups = (self.length - 1, 1) if grouped else ()
        time = Axis(self.length, groups=groups)
        rows = torch.stack([_rows(seq, grouped) for seq in runs])[..., : 1 + len(batch)]
        k = rows if batch else rows[..., 0]
        length = (Atom(self.length, 0),) if self.length > 1 else ()
        axes = (time, *batch) if length else batch
        k = k if length else k[:, 0]
        own = self._batch(1 if length else 0)
        order = (own[0], length) if self.batch_first else (length, own[0])
        dims = (
            *(order if self.count > 1 or self.x is None or len(self.x.dims) > 2 else (length,)),
            (Atom(width * len(runs), UNITS),),
        )
        means = [seq.mean(seq.length - 1) for seq in runs]
        return _built(k, means, axes, dims, width)

    def arriving(self, roles: Sequence[str], grads: Sequence[Grad], directions: int) -> list[Tensor]:
        """What arrives at the states, between any two steps, for each direction."""
        n = Unrolled.followed(self.length)
        found = [torch.zeros(n, n, 2, dtype=torch.float64) for _ in range(directions)]
        for role, grad in zip(roles, grads, strict=False):
            if not isinstance(grad, Signal) or role == "c":
                continue
            for d in range(directions):
                k = grad.k[min(d, len(grad.units) - 1)]
                if role == "h" or self.length == 1:
                    found[d][-1, -1] += _both(k)
                else:
                    found[d] += _steps(k, grad.axes[0], n)
        return found

    def spreads(self, grads: Sequence[Grad]) -> bool:
        """True if gradients arrive at all steps alike."""
        first = grads[0]
        return isinstance(first, Signal) and self.length > 1 and float(first.k.flatten()[0]) > 0

    def input_grad(self, into: Tensor) -> Grad:
        """The gradient of what goes in: that of different steps is taken as independent."""
        if self.x is None:
            return None
        same, between = (float(into[..., i].diagonal().mean()) for i in range(2))
        kernel = torch.ones(1, dtype=torch.float64)
        own = {atom.axis for atom in self.x.dims[self.time]} if self.time < len(self.x.dims) else set()
        here, there = torch.full_like(kernel, same), torch.full_like(kernel, between)
        k = torch.zeros_like(self.x.k[:1])
        for at in product(*(range(axis.classes) for axis in self.x.axes)):
            alike = [bool(diagonal(axis)[i] > 0) for axis, i in zip(self.x.axes, at, strict=True)]
            if all(alike):
                k[(0, *at)] = here
            elif all(a for position, a in enumerate(alike) if position in own):
                k[(0, *at)] = there
        zero = torch.zeros_like(k)
        ones = torch.ones(1, 2, dtype=torch.float64)
        grad = replace(self.x.blended(), k=k, m=zero, mean=zero, kurtosis=ones, skew=None)
        return parted(grad, self.x.units)


def _rows(seq: Unrolled, grouped: bool) -> Tensor:
    """For each class of pairs of steps the second moments of a sample with itself, and of two."""
    squares = torch.tensor(seq.squares, dtype=torch.float64)
    early, mixed = (torch.tensor(b, dtype=torch.float64) for b in seq.apart())
    if not grouped:
        return torch.stack([squares.mean(0), early])
    last = squares[-1]
    return torch.stack([squares[:-1].mean(0), last, early, mixed, mixed, last])


def _steps(k: Tensor, time: Axis, n: int) -> Tensor:
    """A gradient's second moments between any two of the last `n` steps."""
    rows = torch.stack([_both(row) for row in k])
    here = torch.eye(n, dtype=torch.float64)[..., None]
    if not time.groups:
        plain: Tensor = here * rows[0] + (1 - here) * rows[1]
        return plain
    early, last, apart, mixed, _, _ = rows
    found: Tensor = here * early + (1 - here) * apart
    found[-1, :], found[:, -1], found[-1, -1] = mixed, mixed, last
    return found


def _both(k: Tensor) -> Tensor:
    """Of a kernel over the batch at most: the same sample, and two."""
    flat = k.flatten()
    return torch.stack([flat[0], flat[1] if len(flat) > 1 else torch.zeros_like(flat[0])])


def _built(
    k: Tensor, means: Sequence[float], axes: tuple[Axis, ...], dims: tuple[tuple[Atom, ...], ...], width: int
) -> Signal:
    mean = torch.tensor(means, dtype=torch.float64).reshape(-1, *[1] * (k.dim() - 1)).expand_as(k)
    tails = torch.ones(len(means), 2, dtype=torch.float64)
    found = Signal(dims, axes, (width,) * len(means), k, mean**2, mean, tails)
    return replace(found, kurtosis=found.gaussian())
