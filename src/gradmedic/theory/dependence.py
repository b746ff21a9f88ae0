"""Sums and products whose parts are not independent, as theory takes them to be."""

from collections.abc import Iterator

from gradmedic.base.messages import Message
from gradmedic.theory.engine import Flow
from gradmedic.theory.plan.plan import Edge
from gradmedic.theory.signals.signal import Signal

FEWEST = 8.0
"""Independent terms below which a unit's size, relative to others, varies so much that the smallest count most."""

TIED = 2
"""Uses of a matrix whose gradients are as good as independent."""

SMALL = 1e-3
"""A share of a sum that makes no difference."""


def dependences(flow: Flow) -> Iterator[Message]:
    """Each kind that a network has."""
    steps = range(len(flow.plan.steps))
    if any(_agree_or_cancel(flow, i) for i in steps):
        yield Message(
            "Branches with a filter of its own for each channel are added: single channels may cancel, and a"
            " normalization behind sends much back through them."
        )
    if any(_is_bare(flow, i) for i in steps):
        yield Message("A branch without weights is added to what it is made of: the two are not independent.")
    if _are_shared(flow):
        yield Message("The same weights are applied in several layers: what comes back to them is not independent.")
    if any(step.op == "fft_c2_c" for step in flow.plan.steps):
        yield Message("Behind a Fourier transform signals are symmetric: the real part of the next may hold all of it.")
    if any(_is_linear_attention(flow, i) for i in steps):
        yield Message("Products of what one signal has made, with no softmax between: they are not independent.")


def _are_shared(flow: Flow) -> bool:
    """True if a matrix is applied by more than two steps: two are a table and the output that is tied to it."""
    users = flow.plan.consumers()
    return any(
        len(step.shape) > 1 and sum(flow.plan.steps[i].op in _APPLIED for i, _ in users.get((at, 0), ())) > TIED
        for at, step in flow.plan.parameters()
    )


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


_APPLIED = ("t", "transpose", "mm", "addmm", "linear", "conv")
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
