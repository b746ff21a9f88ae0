"""Finite width: how far one initialization may lie from the mean of all.

A layer of n units multiplies the mean square by a mean over n units, which varies from draw to draw by a part of
1/n. The logarithms add up over depth, so that what counts is depth / width (Hanin and Nica, arXiv 1812.05994, for
ReLU: Var ln |gradient|^2 = 5 depth / width).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gradmedic.theory.activations import Activation
from gradmedic.theory.kernels.dual import dual_of_squares
from gradmedic.theory.kernels.moments import moments

WIDENED = 1.3
"""For what a softmax at the end adds; settled on 253 measured networks, and held on 20 others."""
FLOOR, MARGIN = 0.03, 0.05
"""In ln: what measuring itself adds, and the error of the mean."""
LARGEST_STD, LARGEST_ELASTICITY = 0.5, 2.0
"""Beyond these the first order is no guide; then `one_sample` is."""


@dataclass(frozen=True)
class Noise:
    """What a layer adds to the variance of ln mean square, to that of ln squared gradient, and to what they share."""

    forward: float
    backward: float
    both: float


def noise(phi: Activation, q: float, units: int, c: float = 1.0, rho: float = 1.0, orthogonal: bool = False) -> Noise:
    """What a layer of so many units adds, where samples have correlation `c` and their gradients `rho`.

    With c = rho = 1 it is the law of a single sample: (m4 / m2^2 - 1) / n forward, (3 d4 / d2^2 - 1) / n back.
    """
    m = moments(phi, q)
    f4, d4, x = (float(t) for t in dual_of_squares(phi, q, q, torch.tensor([c], dtype=torch.float64, device="cpu")))
    forward = f4 / m.m2**2 - 1
    backward = d4 / m.d2**2 * (1 + 2 * rho**2) - 1
    both = x / (m.m2 * m.d2) - 1
    if orthogonal:  # the sum of squares over units is given
        forward -= 2 * m.s**2 * c**2
        backward -= 2 * rho**2 + 2 * m.k**2 * c**2
        both -= 2 * m.s * m.k * c**2
    return Noise(max(forward, 0.0) / units, max(backward, 0.0) / units, both / units)


def interval(log_std: float) -> tuple[float, float]:
    """The factors between which 95 % of initializations lie, around the mean, for a standard deviation of the log."""
    half = WIDENED * 1.96 * math.hypot(log_std, FLOOR) + MARGIN
    return math.exp(-half), math.exp(half)


def reliable(log_std: float, elasticities: Sequence[float]) -> bool:
    """Whether the mean says anything of a single initialization.

    `elasticities` are the layers' d ln q_out / d ln q_in, in order: where their product over some stretch exceeds
    two, a small accident at its beginning is a large one at its end.
    """
    largest = running = 1.0
    for elasticity in elasticities:
        running = max(running, 1.0) * elasticity
        largest = max(largest, running)
    return log_std <= LARGEST_STD and largest <= LARGEST_ELASTICITY
