"""Sums of two signals: branches that join a stream, inputs that join a recurrent state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gradmedic.theory.plan.paths import BENDS, MIXES, NORMS, PASSES, Users, is_parameter, shape_of, signals
from gradmedic.theory.plan.plan import PARAMETER, Edge, Plan, Step


class Joins(Enum):
    """What the operand with more weights of its own is to the other one."""

    BRANCH = "branch"
    """It goes round a stream."""
    STATE = "state"
    """It comes back time step by time step, with the same weights."""
    EQUAL = "equal"


@dataclass(frozen=True)
class Junction:
    """A sum of two signals: `longer` has as many weights of its own as `shorter`, or more."""

    at: int
    joins: Joins
    shorter: Edge
    longer: Edge


def junctions(plan: Plan) -> tuple[Junction, ...]:
    """All sums of two signals of one shape of which at least one has weights that the other has not."""
    return tuple(_junctions(plan))


def _junctions(plan: Plan) -> Iterator[Junction]:
    behind = _behind(plan)
    mixing = sum(1 << i for i, step in enumerate(plan.steps) if mixes(plan, step))
    repeated = _repeated(plan, behind)
    for at, step in enumerate(plan.steps):
        edges = signals(plan, step) if step.op == "add" else []
        if len(edges) != 2 or shape_of(plan, edges[0]) != shape_of(plan, edges[1]):
            continue
        first, second = (behind[edge[0]] for edge in edges)
        ranked = sorted(
            ((own & mixing).bit_count(), slot) for slot, own in enumerate((first & ~second, second & ~first))
        )
        (few, shorter), (many, longer) = ranked
        if many:
            again = few and (first ^ second) & repeated
            joins = Joins.STATE if again else Joins.EQUAL if few == many else Joins.BRANCH
            yield Junction(at, joins, edges[shorter], edges[longer])


@dataclass(frozen=True)
class Share:
    """The share of a sum's squares that a summand is to have, and the stream that it joins."""

    share: float = 1.0
    stream: Edge | None = None


def shares(plan: Plan, found: Sequence[Junction]) -> Mapping[int, Share]:
    """The steps whose weights (or gains) set the size of a summand, with the share of the sum that is theirs.

    With L branches it is 1/L of the stream's squares, so that all together double it (De & Smith, arXiv 2002.10444).
    """
    branches = sum(junction.joins is Joins.BRANCH for junction in found)
    shared: dict[int, Share] = {}
    for junction in found:
        if junction.joins is Joins.BRANCH:
            shared |= dict.fromkeys(_setters(plan, junction.longer), Share(1 / branches, junction.shorter))
        elif junction.joins is Joins.EQUAL:
            shared |= dict.fromkeys([*_setters(plan, junction.longer), *_setters(plan, junction.shorter)], Share(0.5))
    return shared


def _setters(plan: Plan, edge: Edge | None) -> Iterator[int]:
    """The last step with weights or gains on the way to an edge, if there is one."""
    while edge is not None:
        step = plan.steps[edge[0]]
        if mixes(plan, step) or (step.op in NORMS and len(step.inputs) > 1 and is_parameter(plan, step.inputs[1])):
            yield edge[0]
            return
        operands = signals(plan, step)
        if step.op not in (*PASSES, *BENDS, "mul", "div") or not operands:
            return
        edge = operands[0]


def recurrent(plan: Plan, found: Sequence[Junction]) -> Mapping[int, bool]:
    """The steps that a recurrent state is the sum of: True for those that mix the state, False for its inputs."""
    sums = [junction for junction in found if junction.joins is Joins.STATE]
    inputs = {at: False for junction in sums for at in _setters(plan, junction.shorter)}
    return inputs | {at: True for junction in sums for at in _setters(plan, junction.longer)}


def mixes(plan: Plan, step: Step) -> bool:
    """True if the step adds up entries with weights that are a parameter."""
    return step.op in MIXES and any(is_matrix(plan, edge) for edge in step.inputs)


def is_matrix(plan: Plan, edge: Edge | None) -> bool:
    """True if a parameter arrives that has two dimensions or more."""
    return is_parameter(plan, edge) and len(shape_of(plan, edge)) > 1


def ends_in_weights(plan: Plan, users: Users, at: int) -> bool:
    """True if anything with weights comes behind a step."""
    waiting, seen = [at], {at}
    while waiting:
        for user, _ in users.get(waiting.pop(), ()):
            if mixes(plan, plan.steps[user]):
                return True
            if user not in seen:
                seen.add(user)
                waiting.append(user)
    return False


def lineage(plan: Plan, edge: Edge) -> tuple[int, bool]:
    """The position of the parameter that arrives over an edge, and whether it has been turned on the way."""
    turned = False
    while (step := plan.steps[edge[0]]).op != PARAMETER:
        turned ^= step.op in ("t", "transpose")
        assert step.inputs[0] is not None
        edge = step.inputs[0]
    return edge[0], turned


def _behind(plan: Plan) -> list[int]:
    """For each step all that it is made of, itself included, as bits."""
    masks: list[int] = []
    for at, step in enumerate(plan.steps):
        mask = 1 << at
        for edge in step.inputs:
            mask |= masks[edge[0]] if edge is not None else 0
        masks.append(mask)
    return masks


def _repeated(plan: Plan, behind: list[int]) -> int:
    """The mixing steps whose weights have been used on the way to them, or are to be used again behind them."""
    used: dict[int, int] = {}
    found = 0
    for at, step in enumerate(plan.steps):
        if mixes(plan, step):
            weight, _ = lineage(plan, next(edge for edge in step.inputs if edge is not None and is_matrix(plan, edge)))
            earlier = used.get(weight, 0)
            if behind[at] & earlier:
                found |= earlier | 1 << at
            used[weight] = earlier | 1 << at
    return found
