"""Whether a loss measures anything: whether less of it means that the network does better.

It does not where two networks play against each other, where it goes below zero (its minimum is not
known, and a likelihood or a policy's surrogate may fall for the wrong reason), and where the script
draws actions from its own network and weighs their log-probabilities: the gradient of such a loss is
right, its value is about the latest samples.
"""

import ast
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from gradmedic.base.messages import Message
from gradmedic.trials.trial import Outcome, Script

DRAWN = {"sample", "multinomial"}
WEIGHED = {"log_prob"}


def why_no_measure(control: Outcome, script: Script) -> Message | None:
    """Why runs of a script cannot be ranked by its loss; None where they can."""
    series = [*control.series.values()]
    if any(one.contends for one in series):
        return Message("Two networks play against each other: a lower loss of one is a worse one of the other.")
    if any(loss < 0 for one in series for loss in one.losses if isfinite(loss)):
        return Message("The loss goes below zero: how low it can get is not known, and lower need not be better.")
    if draws_what_it_weighs(_source(script)):
        return Message(
            "The loss weighs log-probabilities of what the network itself has drawn: its value says nothing."
        )
    return None


def draws_what_it_weighs(source: str) -> bool:
    """True where a script calls both for samples and for their log-probabilities, as policy gradients do."""
    try:
        called = {*_called(ast.parse(source))}
    except (SyntaxError, ValueError):
        return False
    return bool(called & DRAWN) and bool(called & WEIGHED)


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


def _source(script: Script) -> str:
    try:
        return Path(script.folder, script.target).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
