"""Fold the many layers of a deep net into a few rows that are named by ranges."""

from collections.abc import Sequence
from itertools import pairwise, takewhile
from math import exp, fsum, inf, isfinite, log, nan


def folded(
    numbers: Sequence[tuple[str, float]], rows: int, *, geometric: bool = True
) -> list[tuple[str, float, frozenset[str]]]:
    """At most `rows` runs of neighbors, each with its range of names, its mean, and its members."""
    groups = [numbers[start:end] for start, end in _cuts(len(numbers), rows)]
    mean = _geometric if geometric else _arithmetic
    return [
        (ranged(group[0][0], group[-1][0]), mean([value for _, value in group]), frozenset(name for name, _ in group))
        for group in groups
    ]


def _cuts(count: int, rows: int) -> list[tuple[int, int]]:
    """Runs as even as can be between the first and the last layer, which tell most and stand alone."""
    if count <= rows:
        return list(pairwise(range(count + 1)))
    inner = max(1, rows - 2)
    return list(pairwise([0, *(1 + round(i * (count - 2) / inner) for i in range(inner + 1)), count]))


def ranged(first: str, last: str) -> str:
    """`layers.0` and `layers.24` as `layers.0-24`; what both names begin with is written once."""
    if first == last:
        return first
    here, there = first.split("."), last.split(".")
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False))))
    head = "".join(f"{part}." for part in here[:same])
    if same < min(len(here), len(there)) and here[same].isdigit() and there[same].isdigit():
        return f"{head}{here[same]}-{there[same]}"
    return f"{head}{'.'.join(here[same:])}…{'.'.join(there[same:])}"


def _geometric(values: Sequence[float]) -> float:
    positive = [value for value in values if value > 0 and isfinite(value)]
    if len(positive) < sum(value > 0 for value in values):
        return inf
    if not positive and values and all(value != value for value in values):
        return nan
    return exp(fsum(map(log, positive)) / len(positive)) if positive else 0.0


def _arithmetic(values: Sequence[float]) -> float:
    return fsum(values) / len(values)
