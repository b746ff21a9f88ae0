"""The shape of a function on the line: where it bends, where it is flat, how steep it gets."""

import math
from enum import Enum
from itertools import pairwise

import torch
from torch import Tensor

from gradmedic.theory.activations.panels import Function, points, rest, value_and_slope

SPLIT = 0.4877
"""Not one half: where people put their kinks, at short numbers, no edge of a panel may hide them."""
ROUGH = 1e-6, 3e-7
"""Shares of the size there, and of the largest near zero, from which a function counts as not told by its points.
Rounding stays below, even where somebody's function rounds to float32."""
MANY = 512
"""So many panels are looked at together, the nearest to zero: a wave bends without end."""
FAR = 60.0
"""Beyond this an activation is taken to go on as it does here."""


class Dies(Enum):
    """Whether a unit can end where no gradient reaches it."""

    NO = "no"
    SOFT = "soft"
    """The slope goes to zero but never quite: the unit saturates."""
    HARD_ONE_SIDED = "hard_one_sided"
    HARD_TWO_SIDED = "hard_two_sided"
    DEAD_ZONE = "dead_zone"
    """Around zero neither signal nor gradient passes."""


def find_kinks(f: Function) -> tuple[float, ...]:
    """Where a function or its slope jumps, by splitting panels until only a jump can be left in them."""
    reach = torch.tensor([1.0327 * 2.0**k for k in range(-12, 21)], dtype=torch.float64, device="cpu")
    ends = torch.cat([-reach.flip(0) * 1.0191, reach])
    panels, largest = torch.stack([ends[:-1], ends[1:]], 1), [0.0, 0.0]
    for _ in range(80):
        panels = panels[_untold(f, panels, largest)]
        wide = panels[:, 1] - panels[:, 0] > 1e-12 * panels.abs().amax(1).clamp(min=1)
        if not wide.any():
            break
        panels = torch.cat([panels[~wide], _halves(panels[wide])])
    return _apart(panels.mean(1).tolist())


def _untold(f: Function, panels: Tensor, largest: list[float]) -> Tensor:
    """Which panels hold more than their points tell, of the function or its slope; keeps the largest seen of each."""
    margin = 0.02 * (panels[:, 1:] - panels[:, :1])  # the outermost points have to stand outside
    x, _ = points(torch.cat([panels[:, :1] - margin, panels[:, 1:] + margin], 1))
    near, untold = panels.abs().amax(1) < FAR, torch.zeros(len(panels), dtype=torch.bool, device="cpu")
    for at, values in enumerate(value_and_slope(f, x)):
        sizes = values.abs().amax(1)
        largest[at] = max(largest[at], *sizes[near & sizes.isfinite()].tolist(), 0.0)
        untold |= (rest(values) > (ROUGH[0] * sizes).clamp(min=ROUGH[1] * largest[at])) & sizes.isfinite()
    return untold


def _halves(panels: Tensor) -> Tensor:
    """Each panel split in two, the nearest to zero first."""
    left, right = panels.T
    middle = left + SPLIT * (right - left)
    both = torch.cat([torch.stack([left, middle], 1), torch.stack([middle, right], 1)])
    return both[both.abs().amin(1).argsort()[:MANY]]


def _apart(found: list[float]) -> tuple[float, ...]:
    """Each place once, and as the short number that it most likely is."""
    places: list[float] = []
    for x in sorted(found):
        near = round(x, 6)
        x = near + 0.0 if abs(x - near) < 1e-11 * max(1.0, abs(x)) else x
        if not places or x - places[-1] > 1e-11 * max(1.0, abs(x)):
            places.append(x)
    return tuple(places)


def dies(f: Function, kinks: tuple[float, ...]) -> Dies:
    """How units can die, read off the slope."""
    beyond = torch.logspace(-3, 4, 57, dtype=torch.float64, device="cpu")
    ends = (-1, min(kinks, default=0.0)), (1, max(kinks, default=0.0))
    tails = [value_and_slope(f, start + side * beyond)[1] for side, start in ends]
    cut = sum(not tail.any() for tail in tails)
    if cut:
        return Dies.HARD_TWO_SIDED if cut == 2 else Dies.HARD_ONE_SIDED
    _, around = value_and_slope(f, torch.tensor([-1e-6, 1e-6], dtype=torch.float64, device="cpu"))
    if float(around.abs().max()) < 1e-5:
        return Dies.DEAD_ZONE
    fading = any(float(tail[-8:].abs().max()) < 1e-3 for tail in tails)
    return Dies.SOFT if fading else Dies.NO


def flat(f: Function, below: float) -> tuple[tuple[float, float], ...]:
    """The intervals in which the slope is smaller than `below`; an end beyond +-60 is told as infinite."""
    x = torch.linspace(-FAR, FAR, 24001, dtype=torch.float64, device="cpu")
    up = value_and_slope(f, x)[1] > 0
    x = torch.cat([x, _turns(x, up, lambda x: value_and_slope(f, x)[1] > 0)]).sort().values
    ends = _turns(x, slow(f, x, below), lambda x: slow(f, x, below)).tolist()
    first, last = slow(f, x[[0, -1]], below).tolist()
    return tuple(list(pairwise([-math.inf] * first + ends + [math.inf] * last))[::2])


def slow(f: Function, x: Tensor, below: float) -> Tensor:
    """Where the slope is smaller than `below`."""
    return value_and_slope(f, x)[1].abs() < below


def _turns(x: Tensor, was: Tensor, test: Function) -> Tensor:
    """Where between the points a test turns, by bisection of all intervals together."""
    at = (was[1:] != was[:-1]).nonzero().flatten()
    left, right, first = x[at], x[at + 1], was[at]
    for _ in range(50):
        middle = (left + right) / 2
        same = test(middle) == first
        left, right = torch.where(same, middle, left), torch.where(same, right, middle)
    return (left + right) / 2


def steepest(f: Function) -> tuple[float, float]:
    """The largest absolute slope, and where it is; infinite where it grows without end."""
    x = torch.linspace(-FAR, FAR, 24001, dtype=torch.float64, device="cpu")
    slope = value_and_slope(f, x)[1].abs()
    far = value_and_slope(f, torch.tensor([-1e6, 1e6], dtype=torch.float64, device="cpu"))[1].abs()
    if float(far.max()) > 100 * float(slope.max()):
        return math.inf, math.inf
    at = int(slope.argmax())
    for _ in range(4):  # each pass looks a hundred times closer
        left, right = x[max(at - 1, 0)], x[min(at + 1, len(x) - 1)]
        x = torch.linspace(float(left), float(right), 201, dtype=torch.float64, device="cpu")
        slope = value_and_slope(f, x)[1].abs()
        at = int(slope.argmax())
    return float(slope[at]), float(x[at])
