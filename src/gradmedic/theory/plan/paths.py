"""Where a signal comes from and where it goes, past everything that only hands it on."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gradmedic.theory.activations import Activation
from gradmedic.theory.plan.plan import DATA, PARAMETER, Edge, Plan, Step

MIXES = frozenset({"linear", "addmm", "mm", "matmul", "mv", "bmm", "baddbmm", "addbmm", "conv"})
"""Operations that add up many entries, each with a weight of its own."""
NORMS = frozenset({"layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm", "own_norm"})
_TURNS = {"t", "transpose", "permute", "movedim", "view", "unsafe_view", "reshape", "reshape_alias", "flatten"}
_TURNS |= {"unflatten", "unsqueeze", "squeeze", "expand", "as_strided"}
_COPIES = {"clone", "to_copy", "alias", "contiguous", "detach", "identity", "copy", "lift"}
_CUTS = {"select", "slice", "narrow", "split", "split_with_sizes", "unsafe_split", "chunk", "unbind", "index"}
ARRANGES = frozenset(_TURNS | _COPIES | _CUTS | {"index_select"})
"""Operations that keep every entry as it is."""
_POOLS = {"max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool", "mean", "sum"}
_WIDENS = {"pad", "repeat", "upsample_nearest", "upsample_linear", "pixel_shuffle", "cat", "stack"}
PASSES = ARRANGES | _POOLS | _WIDENS | {"dropout", "neg", "inside", "masked_fill", "where", "gather", "roll"}
"""Operations that bend nothing and mix nothing with weights."""
BENDS = ("activation", "fused")


class Origin(Enum):
    """What has made a signal."""

    DATA = "data"
    ACTIVATION = "activation"
    NORM = "norm"
    STREAM = "stream"
    """A sum of signals."""
    WEIGHTS = "weights"
    TABLE = "table"
    ATTENTION = "attention"
    """A mean over instances, or a product of two signals."""
    STATE = "state"
    """A recurrent layer."""
    OTHER = "other"


@dataclass(frozen=True)
class Source:
    """What has made a signal: the kind of step, its position, and the activation if it is one."""

    origin: Origin
    at: int = -1
    phi: Activation | None = None


def source(plan: Plan, edge: Edge | None) -> Source:
    """What has made the signal that arrives over an edge."""
    while edge is not None:
        at, step = edge[0], plan.steps[edge[0]]
        if step.op in BENDS:
            return Source(Origin.ACTIVATION, at, step.attributes["phi"])
        if step.op in _MADE:
            return Source(_MADE[step.op], at)
        operands = signals(plan, step)
        if step.op not in PASSES | {"add", "sub", "mul", "div"} or not operands:
            return Source(Origin.OTHER, at)
        if len(operands) > 1 and step.op not in PASSES:
            return Source(Origin.STREAM if step.op in ("add", "sub") else Origin.ATTENTION, at)
        edge = operands[0]
    return Source(Origin.DATA)


_MADE: Mapping[str, Origin] = {
    DATA: Origin.DATA,
    "embedding": Origin.TABLE,
    "sdpa": Origin.ATTENTION,
    "recurrent_layer": Origin.STATE,
    "recurrent_cell": Origin.STATE,
    **dict.fromkeys(NORMS, Origin.NORM),
    **dict.fromkeys(MIXES - {"bmm", "baddbmm"}, Origin.WEIGHTS),
    **dict.fromkeys(("bmm", "baddbmm"), Origin.ATTENTION),
}


def signals(plan: Plan, step: Step) -> list[Edge]:
    """The operands that are made of data, not of parameters alone."""
    if step.op == "fused":
        return [edge for edge in (step.inputs[len(step.inputs) - 1 - step.attributes["inside"]],) if edge is not None]
    return [edge for edge in step.inputs if edge is not None and not is_parameter(plan, edge)]


def is_parameter(plan: Plan, edge: Edge | None) -> bool:
    """True if what arrives is a parameter, perhaps turned or cut."""
    while edge is not None and plan.steps[edge[0]].op in ARRANGES:
        edge = plan.steps[edge[0]].inputs[0]
    return edge is not None and plan.steps[edge[0]].op in (PARAMETER, "weight_norm_interface")


Users = Mapping[int, Sequence[tuple[int, int]]]
"""For each step those that use one of its outputs, with the operand's position."""


def users_of(plan: Plan) -> Users:
    """Who uses what."""
    users: dict[int, list[tuple[int, int]]] = {}
    for (at, _), found in plan.consumers().items():
        users.setdefault(at, []).extend(found)
    return users


@dataclass(frozen=True)
class Downstream:
    """What becomes of a result: the first activation that it goes through, and whether it is normalized before."""

    phi: Activation | None = None
    normed: bool = False


def ahead(plan: Plan, users: Users, at: int) -> Downstream:
    """What becomes of a step's result until weights, or another signal's weights, mix it again."""
    waiting, seen = deque([(at, False)]), {at}
    while waiting:
        i, normed = waiting.popleft()
        for user, _ in users.get(i, ()):
            step = plan.steps[user]
            if user in seen:
                continue
            seen.add(user)
            if step.op in BENDS:
                return Downstream(step.attributes["phi"], normed)
            if step.op in NORMS:
                waiting.append((user, True))
            elif step.op in PASSES or step.op in ("add", "sub", "div") or _scales(plan, step):
                waiting.append((user, normed))
    return Downstream()


def _scales(plan: Plan, step: Step) -> bool:
    return step.op == "mul" and len(signals(plan, step)) < 2


def shape_of(plan: Plan, edge: Edge | None) -> tuple[int, ...]:
    """The shape of what arrives over an edge."""
    return plan.steps[edge[0]].shapes[edge[1]] if edge is not None and plan.steps[edge[0]].shapes else ()
