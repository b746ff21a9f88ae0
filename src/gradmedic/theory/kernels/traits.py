"""What one wants to know of an activation beside others, computed from its function."""

import math
from dataclasses import dataclass
from functools import lru_cache

from gradmedic.base.errors import TheoryError
from gradmedic.theory.activations import Activation
from gradmedic.theory.activations.curve_shape import Dies, flat, steepest
from gradmedic.theory.kernels.critical import Critical, critical
from gradmedic.theory.kernels.gain import gain
from gradmedic.theory.kernels.moments import moments
from gradmedic.theory.kernels.normalized import batchnorm_chi, layernorm_chi

FLAT = 0.01
"""Slope below which a unit passes next to nothing."""


@dataclass(frozen=True)
class Traits:
    """At inputs of mean square 1 where nothing else is said."""

    steepest: float
    flat: tuple[tuple[float, float], ...]
    """Where the slope is below 0.01."""
    flat_share: float
    """Share of a standard normal input that falls there."""
    forward: float
    backward: float
    critical: Critical | None
    """None where there is none."""
    ln_chi: float
    bn_chi: float
    dies: Dies


@lru_cache(256)
def traits(phi: Activation) -> Traits:
    """All of them, in some tens of milliseconds."""
    places = flat(phi.expected.f, FLAT)
    return Traits(
        steepest=steepest(phi.expected.f)[0],
        flat=places,
        flat_share=sum(_below(right) - _below(left) for left, right in places),
        forward=_or_none(phi, "forward"),
        backward=_or_none(phi, "backward"),
        critical=_critical(phi),
        ln_chi=layernorm_chi(phi) if moments(phi, 1.0).m2 else math.nan,
        bn_chi=batchnorm_chi(phi) if moments(phi, 1.0).var > 0 else math.nan,
        dies=phi.dies,
    )


def _below(x: float) -> float:
    """The share of a standard normal variable below `x`."""
    return math.erfc(-x / math.sqrt(2)) / 2


def _or_none(phi: Activation, mode: str) -> float:
    try:
        return gain(phi, mode)
    except TheoryError:
        return math.nan


def _critical(phi: Activation) -> Critical | None:
    try:
        return critical(phi)
    except TheoryError:
        return None
