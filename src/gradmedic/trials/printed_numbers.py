"""The numbers that a script prints of itself, by the words before them: "cost 3.2", "val_acc: 0.91".

What a number is for is told by its name, as a reader would take it: of an accuracy or a reward more is
better, of a cost or an error less. A number whose name says neither (an epoch, a rate) is not judged by.
"""

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from statistics import median

HIGHER = frozenset(
    (
        "acc",
        "accuracy",
        "reward",
        "rewards",
        "return",
        "returns",
        "score",
        "f1",
        "auc",
        "auroc",
        "ap",
        "precision",
        "recall",
        "iou",
        "miou",
        "dice",
        "psnr",
        "ssim",
        "r2",
        "bleu",
        "rouge",
        "correct",
        "success",
        "correlation",
    )
)
LOWER = frozenset(
    (
        "cost",
        "costs",
        "err",
        "error",
        "errors",
        "mse",
        "mae",
        "rmse",
        "perplexity",
        "ppl",
        "wer",
        "cer",
        "fid",
        "regret",
        "rmsd",
        "mape",
        "distance",
        "deviation",
    )
)
LOSSES = frozenset(("loss", "losses", "nll", "elbo", "ce", "bce", "xent"))
"""Words for the loss itself, which a remedy may redefine."""
ENDS = 0.15
"""Share of what is printed under one name, at either end, whose median is kept."""
MOST = 100
"""Names that are kept of one run."""

_WORD = r"[A-Za-z_][\w./-]*"
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan\b|inf\b)"
_NAMED = re.compile(
    rf"(?<![\w.])((?:{_WORD}[ \t]+){{0,2}}{_WORD})(?:[ \t]*[:=][ \t]*|[ \t]+)(?:tensor\()?({_NUMBER})(?![\w.])"
)
_PARTS = re.compile(r"[A-Z]?[a-z]+\d?|[A-Z]+(?![a-z])\d?")

Printed = Mapping[str, tuple[float, float]]
"""For each name the typical number at its beginning and at its end."""


def printed_numbers(text: str) -> dict[str, tuple[float, float]]:
    """The numbers in a script's output that have a name which says whether more or less is better."""
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        for name, number in _named(line):
            if name in found or len(found) < MOST:
                found.setdefault(name, []).append(number)
    return {name: _ends(numbers) for name, numbers in found.items()}


def goal_of(name: str) -> str | None:
    """Whether the "max" or the "min" of a number is wanted; None where its name does not say so.

    The last word that says anything decides: an "accuracy error" is an error.
    """
    for word in reversed([part.lower() for part in _PARTS.findall(name)]):
        if word in HIGHER:
            return "max"
        if word in LOWER | LOSSES:
            return "min"
    return None


def is_loss(name: str) -> bool:
    """True where a name speaks of a loss, which need not measure anything."""
    return any(part.lower() in LOSSES for part in _PARTS.findall(name))


def moving(printed: Printed) -> list[str]:
    """The names of measures other than losses that differ between beginning and end, in the order of printing."""
    return [name for name, (first, last) in printed.items() if first != last and not is_loss(name)]


def _named(line: str) -> Iterator[tuple[str, float]]:
    for words, number in _NAMED.findall(line):
        name = " ".join(words.split())
        if goal_of(name) is not None:
            yield name, float(number)


def _ends(numbers: list[float]) -> tuple[float, float]:
    part = max(1, round(ENDS * len(numbers)))
    return _typical(numbers[:part]), _typical(numbers[-part:])


def _typical(numbers: list[float]) -> float:
    broken = [number for number in numbers if not isfinite(number)]
    return broken[0] if broken else median(numbers)
