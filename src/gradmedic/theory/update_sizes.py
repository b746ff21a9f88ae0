"""How far one step of an optimizer moves what each layer computes, to first order in the learning rate.

A parameter moves by -r u, with learning rate r and the optimizer's direction u: for SGD u = g, the gradient; for
Adam, whose first step divides every entry by its own size, u = sign(g). What its layer computes then moves by dZ, and
along the gradient D that arrives there by <D, dZ> = <g, -r u>: by r |g|^2 / |D| for SGD, and by r |g|_1 / |D| for
Adam. That is the part of the step which changes the loss; what is orthogonal to the gradient is not counted.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from gradmedic.base.storage import is_readable
from gradmedic.theory.engine import Flow
from gradmedic.theory.plan.plan import Edge, Step
from gradmedic.theory.signals.signal import Signal

Users = Mapping[Edge, Sequence[tuple[int, int]]]

DIRECTIONS: dict[str, Callable[[float, int], float]] = {
    "sgd": lambda square, entries: square,
    "adam": lambda square, entries: math.sqrt(2 / math.pi * entries * square),
}
"""<g, u> by the optimizer, from the squared norm of a gradient and the number of its entries; they count as normal."""

_SCALES = ("mul", "div", "neg")
_ARRANGES = ("view", "reshape", "unsafe_view", "transpose", "permute", "t", "squeeze", "unsqueeze", "expand", "clone")
_PRODUCTS = ("mm", "bmm", "matmul", "baddbmm", "sdpa")
_LEADS_ON = (*_SCALES, *_ARRANGES, "add", "sub")


@dataclass(frozen=True)
class UpdatedLayer:
    """What one step's parameters are applied by: the result with the numbers it is multiplied with behind it.

    `moved` is the rms by which one step of the optimizer moves that result along its gradient.
    """

    result: Edge
    moved: float


@dataclass(frozen=True)
class Updates:
    """The updated layers by the positions of the steps that apply weights, and how far one step lowers the loss."""

    layers: Mapping[int, UpdatedLayer]
    loss: float


def updates(flow: Flow, optimizer: str, rate_of: Callable[[str], float]) -> Updates:
    """What one step moves; `rate_of` tells the learning rate of a parameter by its name."""
    users, gained = flow.plan.consumers(), defaultdict[int, float](float)
    for i, parameter in flow.plan.parameters():
        at, grad = _application(flow, users, (i, 0)), flow.arrivals.get((i, 0))
        entries = _touched(parameter, flow.plan.steps[at] if at >= 0 else None)
        rate = rate_of(str(parameter.attributes.get("name", "")))
        square = 0.0 if grad is None else _exp(grad.log_square)
        gained[at] += rate * DIRECTIONS[optimizer](square, entries)
    results = {at: _scaled(flow, users, (at, 0)) for at in gained if at >= 0}
    layers = {at: UpdatedLayer(edge, _along(flow, edge, gained[at])) for at, edge in results.items()}
    return Updates(layers, sum(gained.values()))


def _along(flow: Flow, edge: Edge, gained: float) -> float:
    """The rms of a move along the gradient of a result that lowers the loss by so much."""
    arrived = flow.arrivals.get(edge)
    if arrived is None or not isinstance(arrived.grad, Signal) or arrived.log_square == -math.inf:
        return 0.0
    return gained * math.exp(-arrived.log_square / 2) / math.sqrt(arrived.grad.count * arrived.grad.instances)


def _application(flow: Flow, users: Users, edge: Edge) -> int:
    """The first step that makes a signal of a parameter, or -1."""
    for user, _ in users.get(edge, ()):
        if isinstance(flow.values[user][0], Signal):
            return user
        if (found := _application(flow, users, (user, 0))) >= 0:
            return found
    return -1


def _scaled(flow: Flow, users: Users, edge: Edge) -> Edge:
    """The result behind the last number that alone it is multiplied with: a parametrization may scale layers so.

    What scales queries belongs to the product with the keys, not to the layer.
    """
    here, found = edge, edge
    while len(following := users.get(here, ())) == 1 and _leads_on(flow, following[0][0]):
        here = (following[0][0], 0)
        found = here if flow.plan.steps[here[0]].op in _SCALES else found
    return edge if any(_is_product(flow, user) for user, _ in following) else found


def _is_product(flow: Flow, at: int) -> bool:
    """True for a product of two signals, as of queries and keys."""
    return flow.plan.steps[at].op in _PRODUCTS and len(_signals(flow, at)) > 1


def _signals(flow: Flow, at: int) -> list[Edge]:
    known = (edge for edge in flow.plan.steps[at].inputs if edge is not None)
    return [edge for edge in known if isinstance(flow.values[edge[0]][edge[1]], Signal)]


def _leads_on(flow: Flow, at: int) -> bool:
    """True for a step that has one signal for an operand and makes no other of it but its multiple."""
    step = flow.plan.steps[at]
    alone = sum(edge is not None for edge in step.inputs) == 1
    return step.op in _LEADS_ON and len(_signals(flow, at)) == 1 and (step.op not in _SCALES or alone)


def _exp(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf


def _touched(parameter: Step, user: Step | None) -> int:
    """How many entries have a gradient: of a table the rows that are looked up."""
    entries = math.prod(parameter.shape)
    if user is None or user.op != "embedding" or not entries:
        return entries
    rows, kept = parameter.shape[0], user.sample
    if isinstance(kept, Tensor) and not kept.is_meta and is_readable(kept):
        looked_up = len(set(kept.flatten().tolist()))
    else:
        looked_up = round(rows * -math.expm1(-math.prod(user.shape[:-1]) / rows))
    return int(max(1, min(rows, looked_up))) * (entries // rows)
