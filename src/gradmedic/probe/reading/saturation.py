"""How much of an activation's output lies where its slope is next to nothing.

"Next to nothing" is less than 5 % of the activation's largest slope: twenty such units in a row
would have cost a gradient what one such unit costs it here. Slopes are computed from outputs,
which autograd keeps anyway. Of a softmax a row counts as a whole, where it is all but one-hot.
"""

from collections.abc import Callable, Mapping
from math import log, sqrt

import torch
from torch import Tensor

from gradmedic.probe.reading import one_pass
from gradmedic.probe.reading.statistics import Number, dense, evenly, none_if_unsupported, nonzero

LEAST = 0.05
ONE_HOT = 0.99

Options = Mapping[str, float | None]

PLAIN: Options = {}


@none_if_unsupported
def saturation(op: str, result: Tensor, options: Options = PLAIN) -> Number | None:
    """The saturated share of an operation's result, on its device; None for what cannot saturate.

    `options` are `min` and `max` of a hardtanh or a clamp and `dim` of a softmax. A clamp with a
    single bound is a ReLU by another name and does not count.
    """
    entries = dense(result) if saturates(op) else None
    if entries is None:
        return None
    if op in ("softmax", "log_softmax"):
        largest = torch.amax(entries, int(options.get("dim") or 0))
        return _share(largest > (ONE_HOT if op == "softmax" else log(ONE_HOT)))
    entries = evenly(entries)
    if op in _AROUND and (count := one_pass.outside(entries, *_AROUND[op])) is not None:
        return count / entries.numel()
    flat = flat_entries(op, entries, options)
    return None if flat is None else _share(flat)


def saturates(op: str) -> bool:
    """True for operations whose result may tell that they are flat."""
    return op in _TESTS or op in ("softmax", "log_softmax")


def flat_entries(op: str, y: Tensor, options: Options = PLAIN) -> Tensor | None:
    """For each entry of an activation's output whether its slope is next to nothing there."""
    test = _TESTS.get(op)
    return None if test is None else test(y, options)


def _share(flags: Tensor) -> Number:
    return nonzero(flags) / flags.numel()


def _around(center: float, radius: float) -> Callable[[Tensor, Options], Tensor]:
    def outside(y: Tensor, options: Options) -> Tensor:
        return ((y - center) if center else y).abs() > radius

    return outside


def _between(low: float | None, high: float | None) -> Callable[[Tensor, Options], Tensor | None]:
    def at_a_bound(y: Tensor, options: Options) -> Tensor | None:
        lowest, highest = options.get("min", low), options.get("max", high)
        return None if lowest is None or highest is None else (y <= lowest) | (y >= highest)

    return at_a_bound


_AROUND = {
    "sigmoid": (0.5, sqrt((1 - LEAST) / 4)),  # slope y (1 - y), at most 1/4
    "tanh": (0.0, sqrt(1 - LEAST)),  # slope 1 - y^2
    "softsign": (0.0, 1 - sqrt(LEAST)),  # slope (1 - |y|)^2
}
"""Activations that are flat far from one value, and how far."""

_TESTS: Mapping[str, Callable[[Tensor, Options], Tensor | None]] = {
    **{op: _around(center, radius) for op, (center, radius) in _AROUND.items()},
    "hardsigmoid": _between(0.0, 1.0),
    "relu6": _between(0.0, 6.0),
    "hardtanh": _between(-1.0, 1.0),
    "clamp": _between(None, None),
}
