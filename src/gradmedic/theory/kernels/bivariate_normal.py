"""Two correlated Gaussians above two thresholds: exact averages of steps and ramps.

Whatever has a kink is a step or a ramp there plus something smoother. Its kernel has a root of (1 - c) in it
at c = 1, which no power series follows; these closed forms do. With both thresholds at zero they are the
arc-cosine kernels of Cho and Saul, Kernel methods for deep learning, 2009.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gradmedic.theory.activations.panels import legendre

CLOSER = (0.0, 1 / 2048, 1 / 128, 1 / 16, 1.0)
"""Ends of panels, as shares of an angle: they crowd where two thresholds that differ a little are told apart."""
ALIKE = 0.7
"""Correlation from which one integrates from that end."""


def density(z: Tensor) -> Tensor:
    """Of a standard normal variable."""
    return torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)


def above(z: Tensor) -> Tensor:
    """The probability that a standard normal variable exceeds `z`."""
    return torch.erfc(z / math.sqrt(2)) / 2


def both_above(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """P(u > a, v > b) for standard normal u, v of correlation `c`, elementwise (all of one shape).

    Plackett, A reduction formula for normal multivariate integrals, 1954: the derivative in c is the bivariate
    density. It is integrated over the angle from where the probability is known: c = 0, 1 or -1.
    """
    found = 0.25 + torch.asin(c) / (2 * math.pi)  # both thresholds zero
    b = torch.where(c < 0, -b, b)
    other, far = (a != 0) | (b != 0), c.abs() > ALIKE
    for chosen, probability in ((~far, _apart), (far & (a == b), _same), (far & (a != b), _alike)):
        at = chosen & other
        if at.any():
            found[at] = probability(a[at], b[at], c[at].abs())
            found[at] = torch.where(c[at] < 0, above(a[at]) - found[at], found[at])
    return found


def _apart(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """From c = 0."""
    nodes, weights, _ = legendre()
    angle = torch.asin(c)
    t = angle[..., None] * (1 + nodes) / 2
    squares, product = (a.square() + b.square())[..., None] / 2, (a * b)[..., None]
    height = torch.exp((product * torch.sin(t) - squares) / torch.cos(t).square())
    return above(a) * above(b) + angle / 2 * (height @ weights) / (2 * math.pi)


def _same(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """From c = 1, one threshold for both."""
    return _alike(a, b, c, (0.0, 1.0))


def _alike(a: Tensor, b: Tensor, c: Tensor, panels: tuple[float, ...] = CLOSER) -> Tensor:
    """From c = 1."""
    nodes, weights, _ = legendre()
    angle = torch.acos(c)
    total = above(torch.maximum(a, b))
    for left, right in pairwise(panels):
        w = angle[..., None] * ((left + right) / 2 + (right - left) / 2 * nodes)
        apart = ((a - b)[..., None] / torch.sin(w).clamp(min=1e-300)).square() / 2
        height = torch.exp(-apart - (a * b)[..., None] / (1 + torch.cos(w)))
        total = total - angle * (right - left) / 2 * (height @ weights) / (2 * math.pi)
    return total


@dataclass(frozen=True)
class Break:
    """A broken line: nothing up to a threshold, a step there, and a ramp beyond; each a tensor or a number."""

    at: Tensor
    step: Tensor | float
    ramp: Tensor | float


def lines(one: Break, other: Break, c: Tensor) -> Tensor:
    """E[l(u) m(v)] of two broken lines, at correlations `c`.

    Rosenbaum, Moments of a truncated bivariate normal distribution, 1961.
    """
    a, b = (x.at.expand_as(c) for x in (one, other))
    r = ((1 - c) * (1 + c)).clamp(min=1e-300).sqrt()
    both = both_above(a, b, c)
    at_a, at_b = density(a) * above((b - c * a) / r), density(b) * above((a - c * b) / r)
    u, v = at_a + c * at_b, at_b + c * at_a
    corner = r / (2 * math.pi) * torch.exp(-0.5 * (((a - c * b) / r).square() + b.square()))
    uv = c * both + c * (a * at_a + b * at_b) + corner
    step_and_ramp = one.step * other.ramp * (v - b * both) + one.ramp * other.step * (u - a * both)
    return one.step * other.step * both + step_and_ramp + one.ramp * other.ramp * (uv - a * v - b * u + a * b * both)
