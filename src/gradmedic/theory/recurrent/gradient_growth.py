"""How gradients grow through time in a recurrent layer, and what one step sends back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from gradmedic.theory.recurrent.population import Past, Population, pair, recorded

TURNED = 0.05
"""How far orthogonal weights, that stretch no direction, differ from draw to draw beside others."""


LONG, EDGE = 30, 1.5
"""Steps after which a gradient grows by the same factor at each; mean square gain of a ReLU's state above which the
largest eigenvalue of its matrix, and no mean, decides whether it explodes."""


class GradientGrowth:
    """How the squared gradient of a state grows over k steps, where W_hh is the same at each.

    Paths through the same matrix add up coherently: for a step f + e W D it is the sum over m of
    binomial(k, m)^2 f^(2(k-m)) s^(2m), not (f^2 + s^2)^k; what varies from step to step renews it.
    A finite matrix that is no rotation stretches some directions more at every step.
    """

    def __init__(self, population: Population) -> None:
        slopes, past, weights = population.slopes, population.past, population.weights
        assert slopes is not None
        if not past.count:
            past = Past()
            past.add(recorded(slopes))
        means, rests = past.steady()
        first = 2 if slopes.inner is not None else 1
        gates, gates_rest = sum(means[first:]), sum(rests[first:])
        e, e_rest = (means[1], rests[1]) if slopes.inner is not None else (1.0, 0.0)
        self.kept = (past.means[0] / past.count).abs()
        self.keep, self.through = means[0], weights.back_gain * e * gates
        total = weights.back_gain * (e + e_rest) * (gates + gates_rest)
        self.fresh = rests[0] + max(total - self.through, 0.0)
        self.turned = weights.back.orthogonal
        self.unstable = weights.kind == "rnn_relu" and not self.turned | bool(weights.diagonal)
        self.unstable &= weights.back_gain > EDGE
        self._stretch = 0.0 if self.turned or weights.kind in ("lstm", "gru") else 1.0 / weights.hidden
        self._paths = cache(self._coherent)
        self._sums = [1.0]
        self._alone = _products(past.kept)
        self.steady = gates / max(gates + gates_rest, 1e-300)

    @property
    def factor(self) -> float:
        """What becomes of a gradient's norm at each step, once it has come through many."""
        return math.sqrt(self.ratio(LONG))

    @property
    def coherence(self) -> float:
        """How much of the growth per step is one matrix's doing; of gated steps by comparison with simulations."""
        keep, through = math.sqrt(max(self.keep, 0.0)), math.sqrt(max(self.through, 0.0))
        if self.turned or through == 0:
            return TURNED
        return min(1.7 * through / (keep + through), 1.0) * self.steady

    def ratio(self, age: float) -> float:
        """By how much it grows from step `age` to the next."""
        k = int(age)
        if self._alone:
            last = len(self._alone) - 1
            return self._alone[min(k + 1, last)] / max(self._alone[min(k, last - 1)], 1e-300)
        while len(self._sums) < k + 2:
            n = len(self._sums)
            renewed = sum(self._paths(j - 1) * self.fresh * self._sums[n - j] for j in range(1, n + 1))
            self._sums.append(self._paths(n) + renewed)
        return self._sums[k + 1] / max(self._sums[k], 1e-300) * self._stretched(k + 1) / self._stretched(k)

    def together(self, steps: int, alike: float) -> float:
        """How much more the squares of a weight's gradient are for adding up over time, relative to one step's.

        The gradients of two steps have in common what is kept from one to the other, and the same
        slopes as far as these are steady; what the weight was applied to is `alike` from step to step.
        """
        rho = min(float(self.kept.mean()) * max(alike, 0.0), 0.999)
        return 1 + 2 * self.steady * rho * (1 - rho ** max(steps, 0)) / (1 - rho)

    def _stretched(self, k: int) -> float:
        """E|W^k v|^2 of one random matrix of its size, relative to what new ones would give: a fit to simulations."""
        return math.exp(0.065 * min(k * k * self._stretch, 7.0) ** 1.8)

    def _coherent(self, k: int) -> float:
        """All k steps by paths that are the same in each of them; what one unit keeps it keeps as that unit does."""
        if self.keep <= 0:
            return self.through**k
        m = torch.arange(1, k + 1, dtype=torch.float64)
        whole = torch.lgamma(torch.tensor(k + 1.0, dtype=torch.float64))
        logs = 2 * (whole - torch.lgamma(m + 1) - torch.lgamma(k - m + 1))
        logs = logs + (k - m) * math.log(self.keep) + m * math.log(max(self.through, 1e-300))
        return float((self.kept ** (2 * k)).mean() + torch.exp(logs).sum())


def growth_of(population: Population) -> GradientGrowth:
    """The same for all steps of one layer."""
    past = population.past
    if not isinstance(past.growth, GradientGrowth):
        past.growth = GradientGrowth(population)
    return past.growth


def _products(kept: Sequence[Tensor]) -> list[float]:
    """The mean square of what is kept through the last k steps."""
    if not kept:
        return []
    whole, found = torch.ones_like(kept[0]), [1.0]
    for keep in reversed(kept):
        whole = whole * keep
        found.append(float((whole**2).mean()))
    return found


Both = tuple[float, float]
"""Second moments of a sample with itself, and of two samples."""


@dataclass(frozen=True)
class StepGradients:
    """What one step sends back: to the operands of the gates by the input's and the state's weights, and on.

    `whole` is the gradient of the state that is carried on: of LSTM the cell's.
    """

    into: Both
    back: Both
    h: Both
    c: Both
    whole: Both


def returned(population: Population, growth: GradientGrowth, h: Both, c: Both, age: float) -> StepGradients:
    """Send the gradients of a state (and of a cell's, after `age` steps) one step back."""
    slopes, weights = population.slopes, population.weights
    assert slopes is not None
    if slopes.inner is None or slopes.output is None:
        gates, into = _summed(h, slopes.gates), _summed(h, slopes.gates_in or slopes.gates)
        grown = growth.ratio(age)
        return StepGradients(into, gates, (h[0] * grown, h[1] * grown), c, h)
    whole = _plus(c, _times(h, slopes.inner))
    gates = _plus(_summed(whole, slopes.gates), _times(h, slopes.output))
    before = weights.back_gain * gates[0], weights.back_gain * gates[1]
    # All that reaches the cell's state grows as one, by way of the state's output as well: that part is taken off.
    grown, by_output = growth.ratio(age), pair(slopes.inner)
    kept = pair(slopes.keep)
    on = [max(grown * w - b * o, k * w) for w, b, o, k in zip(whole, before, by_output, kept, strict=True)]
    return StepGradients(gates, gates, before, (on[0], on[1]), whole)


def _times(g: Both, slope: Tensor) -> Both:
    same, between = pair(slope)
    return g[0] * same, g[1] * between


def _plus(a: Both, b: Both) -> Both:
    return a[0] + b[0], a[1] + b[1]


def _summed(g: Both, slopes: Sequence[Tensor]) -> Both:
    total: Both = (0.0, 0.0)
    for slope in slopes:
        total = _plus(total, _times(g, slope))
    return total
