"""What is done where there is no rule: sizes are handed on as they come, or as was measured."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from gradmedic.theory.plan.plan import Gauge, Step
from gradmedic.theory.propagation import Grad, Propagation, Value
from gradmedic.theory.propagation.input_signal import drawn, guessed
from gradmedic.theory.signals.signal import Signal, own

BLANK = Gauge((), ())


def handed_on(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The size of the first operand that is a signal, times the gain that was measured; gradients alike."""
    at = next((i for i, v in enumerate(inputs) if isinstance(v, Signal) and v.shape == step.shape), None)
    at = next((i for i, v in enumerate(inputs) if isinstance(v, Signal)), None) if at is None else at
    if at is None:
        return Propagation(tuple(None for _ in step.shapes), lambda grads: [None] * len(inputs))
    x, gauge = inputs[at], step.gauge or BLANK
    assert isinstance(x, Signal)
    gain = gauge.gain(at)
    same = x.shape == step.shape
    first = _times(x, gain) if same else _alike(step.shape, gain * x.square)
    rest = (None if same else _alike(shape, gain * x.square) for shape in step.shapes[1:])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        came = [grad for grad in grads if isinstance(grad, Signal)]
        total = sum(grad.square * grad.count * grad.instances for grad in came)
        if same and came and came[0].dims == x.dims and came[0].k.shape == x.k.shape:
            sent: Grad = _times(came[0], gauge.share(at))
        else:
            sent = _even(x, total * gauge.share(at))
        others = (_sent(v, total, gauge, i) if i != at else sent for i, v in enumerate(inputs))
        return list(others)

    return Propagation((first, *rest), back)


def _sent(value: Value, total: float, gauge: Gauge, slot: int) -> Grad:
    """What goes to any other operand: only where that was measured."""
    if value is None or not gauge.knows(slot):
        return None
    share = total * gauge.share(slot)
    return _even(value, share) if isinstance(value, Signal) else share


def _even(x: Signal, square: float) -> Signal:
    """A gradient of this squared norm, of independent entries of one size."""
    start = replace(x, k=own(x), m=torch.zeros_like(x.k), mean=torch.zeros_like(x.k))
    return _times(start, square / (x.count * x.instances))


def _times(x: Signal, factor: float) -> Signal:
    if factor == 1.0:
        return x
    tilt = None if x.tilt is None else x.tilt * factor
    return replace(x, k=x.k * factor, m=x.m * factor, mean=x.mean * factor**0.5, tilt=tilt)


def _alike(shape: tuple[int, ...], square: float) -> Signal:
    """Independent entries of one size."""
    blank = drawn(shape, *guessed(len(shape)))
    return replace(blank, k=blank.k * square)
