"""How each parameter of a plan is used: what it mixes, what has made that, and what becomes of the result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

from gradmedic.theory.activations import Activation
from gradmedic.theory.kernels.critical import homogeneous
from gradmedic.theory.plan.fuse_elementwise import fused
from gradmedic.theory.plan.junctions import (
    Share,
    ends_in_weights,
    is_matrix,
    junctions,
    lineage,
    mixes,
    recurrent,
    shares,
)
from gradmedic.theory.plan.paths import (
    ARRANGES,
    NORMS,
    Origin,
    Source,
    ahead,
    is_parameter,
    shape_of,
    signals,
    source,
    users_of,
)
from gradmedic.theory.plan.plan import Edge, Plan, Step
from gradmedic.theory.plan.recognize_norms import recognized


@dataclass(frozen=True)
class WeightUse:
    """How a weight is used. Fans are numbers of entries; `summed` are the tensor's dimensions that are added up."""

    fan_in: float
    fan_out: float
    summed: tuple[int, ...] = (1,)
    origin: Origin = Origin.DATA
    before: Activation | None = None
    """The activation that has made what is mixed."""
    fed_by: str = ""
    """The weight that has made what that activation bends, if it is one alone and nothing comes between."""
    after: Activation | None = None
    """The activation that the result goes through first."""
    normed: bool = False
    """True if the result is normalized before that."""
    head: bool = False
    """True if nothing with weights comes behind."""
    share: float = 1.0
    """The share of a stream's squares that the result adds to it: 1/L for the last weights of each of L branches."""
    stream: float = 1.0
    """The mean square that this stream has where it comes from, if inputs and norms have one."""
    table: bool = False
    """True if rows are looked up, and not added up; `fan_in` is then one, or that of the layer that shares a table."""
    state: bool | None = None
    """In a recurrent cell that is written out: True if a state is mixed, False if inputs that are added to it."""
    biases: tuple[str, ...] = ()
    """Names of what is added to the result."""


@dataclass(frozen=True)
class GainUse:
    """How a normalization's own gain is used, and its bias."""

    bias: str
    after: Activation | None
    share: float
    stream: float
    by_instance: bool
    """True where each instance is normalized by itself, as in layer and group norms."""


def uses_of(plan: Plan) -> tuple[Mapping[str, WeightUse], Mapping[str, GainUse]]:
    """The uses of all weights, and of all gains, by the parameters' names."""
    reader = _Reader(fused(recognized(plan)))
    return reader.weights(), dict(reader.gains())


class _Reader:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._users = users_of(plan)
        found = junctions(plan)
        self._shares = shares(plan, found)
        self._junctions = {junction.at: junction for junction in found}
        self._fan = self._of_shared_table()
        self._sizes: dict[Edge, float] = {}
        self._recurrent = recurrent(plan, found)
        # Behind these an activation has little left to cut off: the stream has been through it before.
        self._cut = {junction.at for junction in found if _is_cut(source(plan, junction.shorter))}

    def weights(self) -> Mapping[str, WeightUse]:
        found: dict[str, WeightUse] = {}
        for at, step in enumerate(self._plan.steps):
            for name, use in self._mixing(at, step) if mixes(self._plan, step) else self._looked_up(step):
                # Of several uses the last: what a recurrent state is mixed with is a constant at the first.
                if name not in found or not found[name].table:
                    found[name] = use
        return found

    def gains(self) -> Iterator[tuple[str, GainUse]]:
        for at, step in enumerate(self._plan.steps):
            if step.op in NORMS and len(step.inputs) > 1 and is_parameter(self._plan, step.inputs[1]):
                weight, bias = (self._name(edge) for edge in (*step.inputs[1:3], None)[:2])
                after = ahead(self._plan, self._users, at).phi if self._bends_next(at) else None
                shared, by_instance = self._shares.get(at, Share()), step.op in ("layer_norm", "group_norm")
                yield weight, GainUse(bias, after, shared.share, self._size(shared.stream), by_instance)

    def _mixing(self, at: int, step: Step) -> Iterator[tuple[str, WeightUse]]:
        slot = next(slot for slot, edge in enumerate(step.inputs) if is_matrix(self._plan, edge))
        edge = step.inputs[slot]
        assert edge is not None
        origin = self._origin(step)
        then, shared = ahead(self._plan, self._users, at), self._shares.get(at, Share())
        yield (
            self._name(edge),
            replace(
                self._fans(step, slot, edge),
                origin=origin.origin,
                before=origin.phi,
                fed_by=self._fed_by(origin),
                after=then.phi,
                normed=then.normed,
                head=not ends_in_weights(self._plan, self._users, at),
                share=shared.share,
                stream=self._size(shared.stream),
                state=self._recurrent.get(at),
                biases=tuple(filter(None, self._biases(at, step))),
            ),
        )

    def _fans(self, step: Step, slot: int, edge: Edge) -> WeightUse:
        shape = shape_of(self._plan, edge)
        if step.op == "conv":
            taps, groups = prod(shape[2:]), int(step.attributes.get("groups", 1))
            there, here = shape[1] * taps, shape[0] // groups * taps
            space = tuple(range(2, len(shape)))
            if step.attributes.get("transposed"):  # each input is spread over the taps, each output gets 1/stride
                stride = prod(step.attributes.get("stride", ())) if len(space) else 1
                return WeightUse(here / stride, there, (0, *space))
            return WeightUse(there, here, (1, *space))
        rank = len(shape)
        # x W adds up rows, W x columns.
        summed = rank - 2 if slot == _RIGHT.get(step.op, -1) else rank - 1
        other = 2 * rank - 3 - summed
        position, turned = lineage(self._plan, edge)
        straight = len(self._plan.steps[position].shape) == rank
        dims = ((other if turned else summed),) if straight else ()
        return WeightUse(float(shape[summed]), float(shape[other]), dims)

    def _origin(self, step: Step) -> Source:
        data = next((edge for edge in reversed(signals(self._plan, step))), None)
        found = source(self._plan, data)
        if found.phi is not None and homogeneous(found.phi):
            below = source(self._plan, next(iter(signals(self._plan, self._plan.steps[found.at])), None))
            if below.at in self._cut:
                return Source(Origin.STREAM, below.at)
        return found

    def _fed_by(self, found: Source) -> str:
        if found.phi is None:
            return ""
        below = source(self._plan, next(iter(signals(self._plan, self._plan.steps[found.at])), None))
        if below.origin is not Origin.WEIGHTS:
            return ""
        return next((self._name(edge) for edge in self._plan.steps[below.at].inputs if is_matrix(self._plan, edge)), "")

    def _biases(self, at: int, step: Step) -> Iterator[str]:
        for edge in step.inputs:
            if is_parameter(self._plan, edge) and not is_matrix(self._plan, edge):
                yield self._name(edge)
        for user, _ in self._users.get(at, ()):
            behind = self._plan.steps[user]
            if behind.op in ARRANGES:
                yield from self._biases(user, Step(""))
            elif behind.op == "add":
                yield from (self._name(edge) for edge in behind.inputs if is_parameter(self._plan, edge))

    def _looked_up(self, step: Step) -> Iterator[tuple[str, WeightUse]]:
        if step.op == "embedding" and is_parameter(self._plan, step.inputs[0]):
            yield self._name(step.inputs[0]), WeightUse(self._fan, float(step.shape[-1]), (), table=True)

    def _of_shared_table(self) -> float:
        """The fan-in of the layer that shares its weights with a table; one if none does."""
        tables = {self._name(step.inputs[0]) for step in self._plan.steps if step.op == "embedding"}
        for step in self._plan.steps:
            for slot, edge in enumerate(step.inputs):
                if edge is not None and mixes(self._plan, step) and self._name(edge) in tables - {""}:
                    return self._fans(step, slot, edge).fan_in
        return 1.0

    def _size(self, edge: Edge | None) -> float:
        """The mean square of a stream where it comes from: that of tables, or one."""
        if edge is None:
            return 1.0
        if edge not in self._sizes:
            found = source(self._plan, edge)
            size = 1 / self._fan if found.origin is Origin.TABLE else 1.0
            if found.origin is Origin.STREAM:
                joined = self._junctions.get(found.at)
                below = [joined.shorter] if joined else signals(self._plan, self._plan.steps[found.at])
                size = sum(map(self._size, below))
            self._sizes[edge] = size
        return self._sizes[edge]

    def _bends_next(self, at: int) -> bool:
        """True if nothing but the activation uses what a step has made."""
        users = self._users.get(at, ())
        return len(users) == 1 and self._plan.steps[users[0][0]].op == "activation"

    def _name(self, edge: Edge | None) -> str:
        if edge is None or not is_parameter(self._plan, edge):
            return ""
        return str(self._plan.steps[lineage(self._plan, edge)[0]].attributes.get("name", ""))


_RIGHT = {"mm": 1, "matmul": 1, "addmm": 2, "bmm": 1, "baddbmm": 2, "addbmm": 2}
"""The operand that is on the right of a product."""


def _is_cut(found: Source) -> bool:
    return found.phi is not None and homogeneous(found.phi)
