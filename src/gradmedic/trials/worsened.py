"""What a script prints of itself, beside its loss: a remedy may better the one and worsen the other.

A loss is what the script minimizes, which need not be what the user wants. Where a number that is printed
under a name like "cost" or "accuracy" ends worse under a remedy, with each seed and by more than seeds
differ, the remedy is told as such, however far it brings the loss down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from statistics import fmean, pstdev

from gradmedic.trials.paired_effect import Arm
from gradmedic.trials.printed_numbers import goal_of, is_loss
from gradmedic.trials.trial import Outcome

WORTH = 0.1
"""Share of a number's size by which it has to be worse."""


@dataclass(frozen=True)
class Worsened:
    """A number that ends worse under a remedy: its mean without and with it."""

    name: str
    before: float
    after: float


def worsened(arm: Arm, control: Arm, seeds: Iterable[int], redefines: bool = False) -> Worsened | None:
    """The printed number that the arm's prescription worsens most, or None.

    With one seed alone chance is not told from harm. Losses are left out where a remedy `redefines` them.
    """
    shared = [seed for seed in seeds if seed in arm.runs and seed in control.runs]
    if len(shared) < 2:
        return None
    runs = [(control.runs[seed], arm.runs[seed]) for seed in shared if arm.runs[seed].ended.well]
    names = {name for untreated, treated in runs for name in untreated.printed.keys() & treated.printed.keys()}
    found = [_compared(name, runs) for name in sorted(names) if not (is_loss(name) and redefines)]
    return max((one for one in found if one is not None), key=_size, default=None)


def _compared(name: str, runs: list[tuple[Outcome, Outcome]]) -> Worsened | None:
    pairs = [(u.printed[name][1], t.printed[name][1]) for u, t in runs if name in u.printed and name in t.printed]
    if len(pairs) < len(runs) or len(pairs) < 2 or not all(isfinite(before) for before, _ in pairs):
        return None
    sign = 1 if goal_of(name) == "min" else -1
    lost = [sign * (after - before) if isfinite(after) else float("inf") for before, after in pairs]
    before, after = (fmean(side) for side in zip(*pairs, strict=True))
    chance = max(pstdev(side) if all(map(isfinite, side)) else 0.0 for side in zip(*pairs, strict=True))
    if min(lost) <= 0 or fmean(lost) <= max(WORTH * abs(before), chance):
        return None
    return Worsened(name, before, after)


def _size(one: Worsened) -> float:
    return abs(one.after - one.before) / max(abs(one.before), 1e-30)
