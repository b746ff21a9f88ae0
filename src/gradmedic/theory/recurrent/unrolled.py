"""A whole recurrent layer: its population stepped through the sequence, and its gradients back."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmedic.theory.recurrent.gradient_growth import Both, GradientGrowth, StepGradients, growth_of, returned
from gradmedic.theory.recurrent.population import Drive, LayerLaws, Population, pair, start, stepped

MOST = 64
"""Steps that are followed one by one; a longer sequence goes on as it was at the last of them."""


@dataclass(frozen=True)
class Unrolled:
    """One layer in one direction: its states, step by step."""

    weights: LayerLaws
    length: int
    states: tuple[Population, ...]

    def at(self, t: int) -> Population:
        """The state after step t."""
        return self.states[min(t, len(self.states) - 1)]

    @staticmethod
    def followed(length: int) -> int:
        """How many steps are looked at on the way back."""
        return min(length, LONGEST)

    @property
    def squares(self) -> list[Both]:
        """Second moments of h at each step."""
        known = [pair(state.h) for state in self.states]
        return [known[min(t, len(known) - 1)] for t in range(self.length)]

    def apart(self) -> tuple[Both, Both]:
        """Second moments of h at two different steps before the last, and of one of these with the last."""
        early, last = [state.h for state in self.states[:-1]], self.states[-1].h
        if not early:
            return pair(last), pair(last)
        total, n = torch.stack(early).sum(0), len(early)
        alone = [pair(h) for h in early]
        both = pair(total)
        within = [(b - sum(a[i] for a in alone)) / max(n * (n - 1), 1) for i, b in enumerate(both)]
        if n < 2:
            within = list(alone[0])
        return (within[0], within[1]), pair(total / n, last)

    def mean(self, t: int) -> float:
        """The mean of h after step t."""
        return float(self.at(t).h.mean())


def run(weights: LayerLaws, drives: Sequence[Drive], length: int) -> Unrolled:
    """Step a population through a sequence; `drives` has one entry for each step that is followed."""
    population, states = start(weights), list[Population]()
    for t in range(min(length, MOST)):
        population = stepped(population, drives[min(t, len(drives) - 1)])
        states.append(population)
    return Unrolled(weights, length, tuple(states))


LONGEST = 512
"""Steps of which all pairs are looked at on the way back; of a longer sequence the last ones stand for all."""


@dataclass(frozen=True)
class SentGradients:
    """Second moments of the gradients that a layer sends back, between any two steps: shape (steps, steps, 2).

    The last dimension is a sample with itself, and two samples. `into` is at the gates' operands by
    the input's weights, `back` by the state's.
    """

    into: Tensor
    back: Tensor


def back_through(seq: Unrolled, arriving: Tensor) -> SentGradients:
    """Send gradients that arrive at the states of all steps back through time.

    A gradient grows from step to step (`GradientGrowth`); of two steps' gradients the later one is in the
    earlier one as far as units keep it, next to what has arrived in between.
    """
    growth, n = growth_of(seq.states[-1]), len(arriving)
    keep = min(float(growth.kept.mean()), 1.0)
    with_fresh = _with_fresh(arriving, keep)
    steps = [_at_step(seq, growth, n - 1, arriving[n - 1, n - 1], (0.0, 0.0), (0.0, 0.0), 0.0)]
    for t in reversed(range(n - 1)):
        later = steps[-1]
        fresh = arriving[t, t] + 2 * keep * with_fresh[t, t + 1]
        steps.append(_at_step(seq, growth, t, fresh.clamp(min=0), later.sent.h, later.sent.c, later.age + 1))
    steps.reverse()
    whole = torch.stack([torch.tensor(step.sent.whole, dtype=torch.float64) for step in steps])
    shared = _shared(whole, with_fresh, keep)
    into, back = (
        _between(torch.tensor([getattr(s.sent, name) for s in steps], dtype=torch.float64), shared, growth.steady)
        for name in ("into", "back")
    )
    return SentGradients(into, back)


@dataclass(frozen=True)
class _Step:
    """One step on the way back: how old what has come to it is, and what it sends on."""

    age: float
    sent: StepGradients


def _at_step(seq: Unrolled, growth: GradientGrowth, t: int, fresh: Tensor, h: Both, c: Both, age: float) -> _Step:
    new = float(fresh[0]), float(fresh[1])
    old = h[0] + c[0]
    # What is added now is of age zero: the whole is as old as its parts are on average.
    age = age * old / (old + new[0]) if old + new[0] > 0 else 0.0
    state = h[0] + new[0], h[1] + new[1]
    sent = returned(seq.at(t + seq.length - seq.followed(seq.length)), growth, state, c, age)
    return _Step(age, sent)


def _with_fresh(arriving: Tensor, keep: float) -> Tensor:
    """E[g_s d_t] of what arrives at step s and what has come to step t by then: sum over k of keep^k A[s, t + k]."""
    found = torch.zeros_like(arriving)
    on = torch.zeros_like(arriving[:, 0])
    for t in reversed(range(len(arriving))):
        on = arriving[:, t] + keep * on
        found[:, t] = on
    return found


def _shared(whole: Tensor, with_fresh: Tensor, keep: float) -> Tensor:
    """E[d_s d_t] of two steps, relative to the geometric mean of both squares."""
    n = len(whole)
    found = torch.zeros(n, n, 2, dtype=torch.float64)
    for t in range(n):
        on = found[t, t] = whole[t]
        for s in reversed(range(t)):
            on = with_fresh[s, t] + keep * on
            found[s, t] = found[t, s] = on
    size = (whole[:, None] * whole[None]).clamp(min=1e-300).sqrt()
    return (found / size).clamp(-1, 1)


def _between(gates: Tensor, shared: Tensor, steady: float) -> Tensor:
    """Second moments between the gates' gradients of any two steps."""
    sign = gates.sign()
    size = (gates[:, None] * gates[None]).abs().sqrt() * sign[None]
    here = torch.eye(len(gates), dtype=torch.float64)[..., None]
    return size * (here + (1 - here) * steady * shared)


def parameter_squares(seq: Unrolled, sent: SentGradients, x: Tensor, count: int) -> list[float]:
    """The squared gradients of input weights, state weights and both biases; `x` is as in `SentGradients`."""
    states, weights = _states(seq, len(sent.into)), seq.weights
    one = torch.ones_like(sent.into)
    found = []
    for gates, values, width in (
        (sent.into, x, weights.inputs),
        (sent.back, states, weights.hidden),
        (sent.into, one, 1),
        (sent.back, one, 1),
    ):
        both = (gates * values).sum((0, 1))
        found.append(float(count * both[0] + count * (count - 1) * both[1]) * weights.hidden * width)
    return found


def _states(seq: Unrolled, n: int) -> Tensor:
    """Second moments of the states that each step starts from, between any two steps."""
    known = [torch.zeros_like(seq.states[0].h), *(state.h for state in seq.states)]
    before = [known[min(t, len(known) - 1)] for t in range(n)]
    flat = torch.stack(before)
    same = torch.einsum("san,tan->st", flat, flat) / (2 * flat.shape[-1])
    between = torch.einsum("sn,tn->st", flat[:, 0], flat[:, 1]) / flat.shape[-1]
    return torch.stack([same, (between + between.T) / 2], -1)


def over_time(squares: Sequence[Both], alike: float) -> Tensor:
    """Second moments between any two steps, from those of each and their correlation."""
    each = torch.tensor(squares, dtype=torch.float64)
    here = torch.eye(len(each), dtype=torch.float64)[..., None]
    size = (each[:, None, :1] * each[None, :, :1]).abs().sqrt() * (each[:, None] / each[:, None, :1].clamp(min=1e-300))
    return size * (here + (1 - here) * alike)
