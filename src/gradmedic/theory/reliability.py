"""Whether a prediction can be relied on, and if not, why."""

import math
from collections.abc import Iterator

from gradmedic.finding import Message
from gradmedic.theory.engine import Flow
from gradmedic.theory.plan import Edge, Step
from gradmedic.theory.signal import Signal
from gradmedic.theory.spread import Spread

WIDEST = 0.5
"""Standard deviation of ln of a mean square over initializations; beyond it few draws make up most of the mean."""

MOST_REPEATED = 2.0
"""The same that is owed to weights which are applied many times in a row; beyond it their eigenvalues decide."""

STEEPEST = 2.0
"""Growth of an accident on its way forward; beyond it signals collapse or explode at a layer that differs each time."""


FEWEST = 8.0
"""Independent terms below which a unit's size, relative to others, varies so much that the smallest count most."""

SMALL = 1e-3
"""A share of a sum that makes no difference."""

LARGEST = 700.0
"""The largest number whose exponential can be told."""


def reasons(flow: Flow, spread: Spread) -> Iterator[Message]:
    """Each reason not to rely on a prediction; none if all is well."""
    if flow.unknown:
        steps = [flow.plan.steps[i] for i in flow.unknown]
        names = ", ".join(sorted({step.op for step in steps}))
        if all(step.gauge is not None and any(step.gauge.gains) for step in steps):
            yield Message("There is no rule for {names}; measured with one initialization instead.", {"names": names})
        else:
            yield Message("There is no rule for {names}; sizes beyond are guesses.", {"names": names})
    if spread.widest > WIDEST:
        factor = f"{math.exp(min(spread.widest / 2, LARGEST)):.3g}"
        yield Message(
            "The network is narrow for its depth: one initialization differs from another by a factor of {factor}.",
            {"factor": factor},
        )
    if spread.repeated > MOST_REPEATED:
        yield Message(
            "The same weights are applied very often in a row: what becomes of gradients over so many steps"
            " hangs on these weights' largest eigenvalues, by a factor of {factor} from one initialization to another.",
            {"factor": f"{math.exp(spread.repeated / 2):.0f}"},
        )
    if any(map(_looks_back, flow.plan.steps)):
        yield Message(
            "Attention looks back only: first tokens get more of the gradient than last ones; sizes are means of all."
        )
    if any(_agree_or_cancel(flow, i) for i in range(len(flow.plan.steps))):
        yield Message(
            "Branches with a filter of its own for each channel are added: single channels may cancel, and a"
            " normalization behind sends much back through them."
        )
    if any(_is_bare(flow, i) for i in range(len(flow.plan.steps))):
        yield Message("A branch without weights is added to what it is made of: the two are not independent.")
    if any(_is_linear_attention(flow, i) for i in range(len(flow.plan.steps))):
        yield Message("Products of what one signal has made, with no softmax between: they are not independent.")
    if spread.steepest > STEEPEST:
        yield Message(
            "Signals are unstable: where one layer's is somewhat small, those after it get smaller still.", {}
        )
    if any(passage.growth is not None and passage.growth().unstable for passage in flow.passages):
        yield Message("The state of a ReLU recurrence explodes or dies by its matrix's largest eigenvalue.", {})
    if any(isinstance(v, Signal) and not math.isfinite(v.square) for values in flow.values for v in values):
        yield Message("Signals overflow.", {})


def _operands(flow: Flow, i: int) -> list[Signal]:
    edges = [edge for edge in flow.plan.steps[i].inputs if edge is not None]
    return [value for edge in edges if isinstance(value := flow.values[edge[0]][edge[1]], Signal)]


def _agree_or_cancel(flow: Flow, i: int) -> bool:
    """True for a sum whose units are of very different sizes, as few independent terms make them."""
    value = flow.values[i][0] if flow.plan.steps[i].op in _SUMS and flow.values[i] else None
    return isinstance(value, Signal) and value.fan < FEWEST and any(x.taps for x in _operands(flow, i))


def _is_bare(flow: Flow, i: int) -> bool:
    """True for a sum of two signals that are made of the same units, with nothing drawn between."""
    step, found = flow.plan.steps[i], _operands(flow, i)
    if step.op not in _SUMS or len(found) != 2 or step.inputs[0] == step.inputs[1]:
        return False
    a, b = found
    small = min(a.square, b.square) < SMALL * max(a.square, b.square)
    return a.origin == b.origin >= 0 and not (a.taps or b.taps or small)


def _is_linear_attention(flow: Flow, i: int) -> bool:
    """True for a product of signals of which one is a product of signals, not one of a softmax."""
    return (
        flow.plan.steps[i].op in _PRODUCTS
        and len(_operands(flow, i)) == 2
        and any(_is_product(flow, edge) for edge in flow.plan.steps[i].inputs if edge is not None)
    )


def _is_product(flow: Flow, edge: Edge) -> bool:
    """Whether a value is such a product, perhaps arranged anew."""
    while True:
        step = flow.plan.steps[edge[0]]
        if step.op in _PRODUCTS:
            return len(_operands(flow, edge[0])) == 2
        if step.op not in _ARRANGED or not step.inputs or step.inputs[0] is None:
            return False
        edge = step.inputs[0]


_SUMS = ("add", "sub")
_PRODUCTS = ("bmm", "matmul", "mm", "baddbmm")
_ARRANGED = (
    "view",
    "unsafe_view",
    "reshape",
    "clone",
    "permute",
    "transpose",
    "expand",
    "mul",
    "div",
    "slice",
    "split",
)


def _looks_back(step: Step) -> bool:
    """True for attention in which tokens see only those before them."""
    if step.op == "sdpa":
        return bool(step.attributes.get("is_causal"))
    return step.op == "softmax" and bool(step.attributes.get("hidden"))
