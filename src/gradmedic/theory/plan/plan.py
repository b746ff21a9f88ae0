"""A plan: the operations of a network in forward order, as plain data for the theory to work on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gradmedic.theory.signals.parameter_law import ParameterLaw

Edge = tuple[int, int]
"""A step's position in the plan, and which of its outputs."""

DATA = "data"
"""The operation of a step that has no inputs and carries what the user feeds in."""

PARAMETER = "parameter"
"""The operation of a step that has no inputs and carries a law."""


@dataclass(frozen=True)
class Constant:
    """An operand without a gradient: what its entries are like, and how many of them are so low that they hide.

    Of a mask it is the share of entries that it covers which counts as hidden; of a divisor the law
    is that of its reciprocal.
    """

    law: ParameterLaw
    shape: tuple[int, ...] = ()
    hidden: float = 0.0


@dataclass(frozen=True)
class Gauge:
    """What was measured of one operation, for each operand: the mean square of the result relative to that of the
    operand, and the squared norm that comes back to it relative to that of the gradient that arrives."""

    gains: tuple[float | None, ...]
    returned: tuple[float | None, ...]

    def gain(self, slot: int) -> float:
        """That of the result; one where it is not known."""
        found = self.gains[slot] if slot < len(self.gains) else None
        return 1.0 if found is None else found

    def share(self, slot: int) -> float:
        """That of the gradient; one where it is not known."""
        found = self.returned[slot] if slot < len(self.returned) else None
        return 1.0 if found is None else found

    def knows(self, slot: int) -> bool:
        """Whether the gradient of an operand was measured."""
        return slot < len(self.returned) and self.returned[slot] is not None


@dataclass(frozen=True)
class Step:
    """One operation.

    `op` is the name of its rule. `inputs` has one edge per operand, or None for what is unknown or
    constant. `shapes` are those of its outputs. `attributes` are the operation's own (stride, dim,
    scale, ...), as autograd has saved them. A parameter has a `law`, data may have a `sample`.
    `vertex` is the position in the graph that the plan was read from, or -1.
    """

    op: str
    inputs: tuple[Edge | None, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    law: ParameterLaw | None = None
    sample: Tensor | None = None
    name: str = ""
    vertex: int = -1
    vertices: tuple[int, ...] = ()
    """Where outputs are vertices of their own, these."""
    gauge: Gauge | None = None
    """What was measured of it, in case that there is no rule."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first output."""
        return self.shapes[0] if self.shapes else ()


@dataclass(frozen=True)
class Plan:
    """Steps, inputs before consumers; `roots` are the outputs at which gradients start."""

    steps: tuple[Step, ...]
    roots: tuple[Edge, ...]

    def consumers(self) -> dict[Edge, list[tuple[int, int]]]:
        """For each output the steps that use it, with the operand's position."""
        users: dict[Edge, list[tuple[int, int]]] = {}
        for i, step in enumerate(self.steps):
            for slot, edge in enumerate(step.inputs):
                if edge is not None:
                    users.setdefault(edge, []).append((i, slot))
        return users

    def positions(self) -> dict[int, Edge]:
        """For each vertex of the graph the output that it is, of several the first."""
        found: dict[int, Edge] = {}
        for i, step in enumerate(self.steps):
            for output, vertex in enumerate(step.vertices or (step.vertex,)):
                if vertex >= 0:
                    found[vertex] = (i, output)
        return found

    def parameters(self) -> Iterator[tuple[int, Step]]:
        """The steps that are parameters, with their positions."""
        return ((i, step) for i, step in enumerate(self.steps) if step.op == PARAMETER)
