"""Read one backward pass whole: hooks on the nodes of its graph, for as long as it runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.base.storage import is_readable
from gradmedic.probe.failures import Failures
from gradmedic.probe.graph.layout import STEEPEST, Layout
from gradmedic.probe.graph.node_table import is_user_function
from gradmedic.probe.reading.forward_values import Activity, read_part, read_values, unit_dim
from gradmedic.probe.reading.meter import Meter
from gradmedic.probe.reading.one_pass import moments_of_all
from gradmedic.probe.reading.saturation import LEAST
from gradmedic.probe.reading.statistics import nonzero
from gradmedic.probe.unobserved import unobserved
from gradmedic.recording.site import Kind, Site

GENTLEST = 0.25
"""The largest slope that is taken for granted of a function that nobody knows: a sigmoid's, the least that is usual."""


class NodeHooks:
    """One backward pass under observation. Nothing here may raise into the user's backward."""

    def __init__(
        self,
        layout: Layout,
        sites: Sequence[Site | None],
        activity: Activity,
        failed: Failures,
        holding: Collection[int] = (),
    ) -> None:
        self.layout = layout
        self.sites = sites
        self.meter = Meter()
        self.seconds = 0.0
        self._activity = activity
        self._failed = failed
        self._handles: list[Any] = []
        self._holding = holding
        """Leaves that have been seen to hold, after a pass, what has arrived there: that needs no hook."""
        self._later: list[int] = []

    def arm(self) -> None:
        """Put a hook on every node that is worth one; `disarm` must follow, or they leak."""
        measured, forks, bent = self.layout.measured, self.layout.forks, self.layout.bent
        for i, vertex in enumerate(self.layout.vertices):
            if i in self._holding and vertex.leaf.grad is None:
                self._later.append(i)
            elif measured[i]:
                self._handles.append(vertex.node.register_prehook(self._arrival(i)))
            slots = forks[i]
            if slots or (bent[i] and self._needs_slope(i)):
                self._handles.append(vertex.node.register_hook(self._departure(i, slots)))

    def disarm(self) -> None:
        """Take all hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def numbers(self) -> dict[Any, float]:
        """All numbers of the pass, once it has run."""
        later, self._later = self._later, []
        grads = [self.layout.vertices[i].leaf.grad for i in later]
        for i, grad, told in zip(later, grads, moments_of_all(grads), strict=True):
            if told is not None:
                self.meter.note((i, "arrival", 0), told[0])
            elif grad is not None and is_readable(grad):
                self.meter.size((i, "arrival", 0), grad)
        return self.meter.numbers()

    def holders(self, numbers: Mapping[Any, float]) -> frozenset[int]:
        """The leaves that hold now what has arrived there: nobody has added, averaged, stepped or cleared."""
        leaves = [i for i, _ in self.layout.graph.leaves() if (i, "arrival", 0) in numbers]
        told = moments_of_all([self.layout.vertices[i].leaf.grad for i in leaves])
        same = zip(leaves, told, strict=True)
        return frozenset(i for i, one in same if one is not None and one[0] == numbers[i, "arrival", 0])

    def returned(self, inputs: Any, grads: Any) -> None:
        """Take the gradients that `autograd.grad` returns instead of leaving them at the leaves."""
        position = {id(vertex.leaf): i for i, vertex in self.layout.graph.leaves()}
        pairs = [(inputs, grads[0])] if isinstance(inputs, Tensor) else zip(inputs, grads, strict=True)
        for tensor, grad in pairs:
            if id(tensor) in position and isinstance(grad, Tensor) and is_readable(grad):
                self.meter.size((position[id(tensor)], "arrival", 0), grad)

    def _needs_slope(self, i: int) -> bool:
        """True for an activation whose result is packed away, as by checkpointing, or that the script wrote."""
        vertex = self.layout.vertices[i]
        if vertex.operation.op in STEEPEST:
            return vertex.tensor("result") is None
        return is_user_function(vertex.node)

    def _arrival(self, i: int) -> Callable[[Any], None]:
        def arrival(grads: Any) -> None:
            began = perf_counter()
            try:
                with unobserved():
                    self._read_arrival(i, grads)
            except Exception as error:
                let_through(error)
                self._failed("capture", error)
            self.seconds += perf_counter() - began

        return arrival

    def _read_arrival(self, i: int, grads: Sequence[Tensor | None]) -> None:
        site, numel = self.sites[i], 0
        counts = site is not None and self.layout.kinds[i] is not Kind.ARITHMETIC
        for k, grad in enumerate(grads):
            if grad is not None:
                numel += self.meter.arrival(i, k, grad, count=counts and k == 0)
        if site is None:
            return
        self.meter.note((i, "numel"), float(numel))
        read_values(self.meter, self.layout, i, site.id, self._activity)
        first = grads[0] if grads and i in self.layout.criteria else None
        if isinstance(first, Tensor) and not first.is_sparse and is_readable(first):
            read_part(self.meter, self.layout, i, first)

    def _departure(self, i: int, slots: Sequence[int]) -> Callable[[Any, Any], None]:
        def departure(inputs: Any, outputs: Any) -> None:
            began = perf_counter()
            try:
                with unobserved():
                    self._read_departure(i, slots, inputs, outputs)
            except Exception as error:
                let_through(error)
                self._failed("capture", error)
            self.seconds += perf_counter() - began

        return departure

    def _read_departure(self, i: int, slots: Sequence[int], inputs: Any, outputs: Any) -> None:
        for slot in slots:
            if isinstance(inputs[slot], Tensor) and is_readable(inputs[slot]):
                self.meter.size((i, "sent", slot), inputs[slot])
        if self.layout.bent[i] and self._needs_slope(i):
            self._read_slope(i, inputs[0], outputs[0])

    def _read_slope(self, i: int, sent: Any, arrived: Any) -> None:
        """What is sent back of what arrives tells the slope, whatever the value was; a unit without one is dead."""
        site = self.sites[i]
        op = self.layout.vertices[i].operation.op
        if site is None or not isinstance(sent, Tensor) or not isinstance(arrived, Tensor) or sent.dim() < 2:
            return
        if not is_readable(sent) or not is_readable(arrived):
            return
        if op != "relu":
            asked = arrived.detach() != 0
            flat = (sent.detach().abs() < LEAST * STEEPEST.get(op, GENTLEST) * arrived.detach().abs()) & asked
            self.meter.put((i, "saturated"), flat.double().sum() / asked.double().sum().clamp(min=1))
            return
        dim = unit_dim(self.layout, i, sent.dim())
        idle = self._activity.idle(site.id, sent.detach(), dim) if nonzero(arrived.detach()) else None
        if idle is not None:
            self.meter.put((i, "silent"), idle[0])
            self.meter.put((i, "dead"), idle[1])


@dataclass
class ObservedPass:
    """A pass under observation, with what is known of it from outside."""

    stream: int
    loss: float | None
    passed: NodeHooks
    leaves: list[Tensor]
    scale: float
    inputs: Any
    """What `autograd.grad` was asked for; None for a plain backward pass."""
    known: bool = False
    """True if its graph has the shape of one before."""
    told: bool = False
    """True if the pass has told of a value that is not finite before it has run."""
    inner: list[NodeHooks] = field(default_factory=list)
    """Passes that checkpointing runs inside of this one."""
    began: float = 0.0
