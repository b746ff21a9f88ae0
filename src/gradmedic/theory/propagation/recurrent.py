"""Recurrent layers: single steps of a cell, and whole layers through time."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, rule
from gradmedic.theory.recurrent.gradient_growth import Both, growth_of, returned
from gradmedic.theory.recurrent.population import Drive, LayerLaws, Population, start, stepped
from gradmedic.theory.recurrent.population import pair as pair_of
from gradmedic.theory.signals.axes import Axis
from gradmedic.theory.signals.signal import UNITS, Atom, Signal, own


@rule("recurrent_cell")
def recurrent_cell(step: Step, inputs: Sequence[Value]) -> Propagation:
    """One step of nn.RNNCell, LSTMCell or GRUCell, as `recurrence` has it.

    The operands are x, h, c and the parameters; what is remembered of earlier steps comes with h.
    """
    weights = _weights(step, inputs[3:7])
    x, before = inputs[0], inputs[1]
    old = before.memory if isinstance(before, Signal) and isinstance(before.memory, Population) else start(weights)
    new = stepped(old, _drive(x))
    h = _of_population(new, new.h, step.shapes[0])
    c = _of_population(new, new.c, step.shapes[-1])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        to_h, to_c = [g if isinstance(g, Signal) else None for g in [*grads, None][:2]]
        age = max((g.age for g in (to_h, to_c) if g is not None), default=0)
        sent = returned(new, growth_of(new), _both(to_h), _both(to_c), age)
        count = step.shapes[0][0] if len(step.shapes[0]) > 1 else 1
        to_x = _into(x, sent.into, weights) if isinstance(x, Signal) else None
        states = [_state(v, g, age + 1) for v, g in ((inputs[1], sent.h), (inputs[2], sent.c))]
        growth = growth_of(new)
        once = _parameters(weights, sent.into, sent.back, _both(x), pair_of(old.h), count)
        alike = (0.0, old.alike, 1.0, 1.0)
        return [to_x, *states, *(g * growth.together(old.steps, a) for g, a in zip(once, alike, strict=True))]

    return Propagation((h, c)[: len(step.shapes)], back, elastic=(0.5,), weight=4, growth=partial(growth_of, new))


def _weights(step: Step, parameters: Sequence[Value]) -> LayerLaws:
    into, state, *biases = parameters
    if not isinstance(into, WeightOperand) or not isinstance(state, WeightOperand):
        raise NoRuleError("recurrent weights are unknown")
    known: LayerLaws = step.attributes["weights"]
    weights = replace(known, into=into.law, back=state.law)
    laws = [b.law for b in biases if isinstance(b, WeightOperand)]
    if len(laws) == 2 and laws != list(step.attributes["bias_laws"]):  # given by another initialization
        weights = replace(weights, biases=((laws[0], laws[1]),) * weights.gates)
    if known.diagonal and state.law == step.attributes["back_law"]:
        return replace(weights, back=known.back)
    return replace(weights, diagonal=0.0)


def _both(x: Value | Grad) -> Both:
    """Second moments of a sample with itself, and of two."""
    if not isinstance(x, Signal):
        return 0.0, 0.0
    x = x.blended()
    return float(x.squares[0]), float(x.apart(x.k)[0])


def _drive(x: Value) -> Drive:
    same, between = _both(x)
    return Drive(same, between / same if same > 0 else 0.0)


def _of_population(population: Population, values: Tensor, shape: tuple[int, ...]) -> Signal:
    """The signal of one step's states: samples (if any), and units."""
    same, between = pair_of(values)
    axes = tuple(Axis(size) for size in shape[:-1] if size > 1)
    numbers = iter(range(len(axes)))
    dims = tuple((Atom(size, next(numbers)),) if size > 1 else () for size in shape[:-1])
    return _laid(same, between, float(values.mean()), axes, (*dims, (Atom(shape[-1], UNITS),)), shape[-1], population)


def _laid(
    same: float,
    between: float,
    mean: float,
    axes: tuple[Axis, ...],
    dims: tuple[tuple[Atom, ...], ...],
    width: int,
    memory: object,
) -> Signal:
    k = torch.full((1, *(axis.classes for axis in axes)), between, dtype=torch.float64)
    k[(0, *(0 for _ in axes))] = same
    m, means = torch.full_like(k, mean**2), torch.full_like(k, mean)
    found = Signal(dims, axes, (width,), k, m, means, torch.ones(1, 2, dtype=torch.float64), memory=memory)
    return replace(found, kurtosis=found.gaussian())


def _into(x: Signal, g: Both, weights: LayerLaws) -> Signal:
    """The gradient of what goes in."""
    size = weights.into.square * weights.hidden
    return _like(x, (g[0] * size, g[1] * size))


def _like(x: Signal, g: Both) -> Signal:
    k = torch.full_like(x.k, g[1])
    k = torch.where(own(x) > 0, g[0], k)
    zero = torch.zeros_like(k)
    return replace(x, k=k, m=zero, mean=zero, kurtosis=torch.ones_like(x.kurtosis), memory=None, skew=None)


def _state(value: Value, g: Both, age: int) -> Grad:
    return replace(_like(value, g), age=age) if isinstance(value, Signal) else None


def _parameters(weights: LayerLaws, into: Both, state: Both, x: Both, h: Both, count: int) -> list[float]:
    """The squared gradients of input weights, state weights and both biases, at one step."""

    def pairs(a: Both, b: Both) -> float:
        return weights.hidden * (count * a[0] * b[0] + count * (count - 1) * a[1] * b[1])

    one = (1.0, 1.0)
    by_weights = [weights.inputs * pairs(into, x), weights.hidden * pairs(state, h)]
    return [*by_weights, pairs(into, one), pairs(state, one)]
