"""Read a backward pass whole: from the graph to the draft of a capture."""

from collections.abc import Sequence
from math import isfinite
from time import perf_counter
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.probe.draft import Draft, Sheets
from gradmedic.probe.failures import Failures
from gradmedic.probe.first_pass import FirstPass
from gradmedic.probe.forward_listeners import ForwardListeners
from gradmedic.probe.graph.graph import Graph, starts, walk
from gradmedic.probe.graph.layout import CHECKPOINT, Layout
from gradmedic.probe.graph.names import Names
from gradmedic.probe.graph.shape import GraphShape, GraphShapes
from gradmedic.probe.graph.sites import Sites
from gradmedic.probe.nonfinite.search import NonFiniteSearch
from gradmedic.probe.participants import Participants
from gradmedic.probe.reading.capture_columns import Sheet
from gradmedic.probe.reading.forward_values import Activity
from gradmedic.probe.reading.node_hooks import NodeHooks, ObservedPass
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.torch_internals import current_node, lacking
from gradmedic.probe.vitals import Vitals
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event
from gradmedic.recording.site import Site

AIMLESS = 3
"""Passes of one loss behind which no weights lie, from which it is told."""

SETTLED = 3
"""Passes of known shape in a row after which modules need not be heard any more."""


class Reader:
    """Knows the sites met so far; at most one pass is being read at a time, `looking`.

    Reading costs time inside of the pass as well, in hooks: what a pass takes beyond those of its
    stream that are not read is booked, too.
    """

    def __init__(
        self,
        recorder: Recorder,
        names: Names,
        people: Participants,
        vitals: Vitals,
        schedule: Schedule,
        failed: Failures,
        first_pass: FirstPass | None = None,
    ) -> None:
        self.looking: ObservedPass | None = None
        self.listening = ForwardListeners(failed)
        self.forensics = NonFiniteSearch(recorder)
        self.sites = Sites(names, recorder.site)
        self.first_pass = first_pass
        self._names = names
        self._people = people
        self._vitals = vitals
        self._schedule = schedule
        self._failed = failed
        self._recorder = recorder
        self._activity = Activity()
        self._told: set[str] = set()
        self._usual: dict[int, float] = {}
        self._aimless: dict[int, int] = {}
        self._shapes = GraphShapes()
        self._hits: dict[int, int] = {}
        self._last = -1
        self.plain: set[int] = set()
        """Streams whose passes may go unwatched: nothing recomputes in them, and no hazard has to be looked at."""

    def arm(self, tensors: Any, inputs: Any, stream: int, loss: float | None, frame: FrameType) -> ObservedPass | None:
        """Put the hooks on the graph of a pass that is about to run."""
        self.drop()
        began = perf_counter()
        roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        scale = self._vitals.scale_of(roots)
        known, graph = self._known(stream, roots, scale != 1.0)
        leaves = [vertex.leaf for _, vertex in graph.leaves()]
        if not self._leads_to_weights(graph, leaves):
            self._without_weights(stream)
        if not graph.vertices:
            return None
        if self._names.learn([*leaves, *self._people.moved()], frame):
            known = None
        if known is None and self._unnamed(loss):
            return None
        if known is None:
            layout = Layout(graph)
            sites = self.sites.lay_out(layout, stream, *self.listening.owners())
        else:
            layout, sites = known[0], list(known[1].sites)
        self._foresee(layout, sites, stream)
        told = self.forensics.forward(layout, sites, stream, self._vitals.step, loss)
        holding = known[1].holding if known is not None and inputs is None else frozenset()
        passed = NodeHooks(layout, sites, self._activity, self._failed, holding)
        passed.arm()
        recomputes = _recomputes(layout)
        self.looking = look = ObservedPass(stream, loss, passed, leaves, scale, inputs, told=told)
        look.known = known is not None
        self._settle(stream, look.known and not recomputes)
        self.plain.discard(stream)
        if not recomputes and not self.forensics.watches(stream):
            self.plain.add(stream)
        if self._people.optimizers and not recomputes:
            self.listening.modules.stop()
        look.began = perf_counter()
        self._schedule.paid(look.began - began + self.listening.cost())
        return look

    def _known(
        self, stream: int, roots: Sequence[Tensor], scaled: bool
    ) -> tuple[tuple[Layout, GraphShape] | None, Graph]:
        """The layout and the shape of a pass whose graph has the shape of one before; the graph in any case."""
        known = self._shapes.recognized(stream, starts(roots, scaled)) if self.sites.have_lines else None
        return known, known[0].graph if known is not None else walk(starts(roots, scaled))

    def _unnamed(self, loss: float | None) -> bool:
        """True for a graph of a new shape whose modules nobody has listened to: the next is read, with their names."""
        self._hits.clear()
        return self.listening.resting and (loss is None or isfinite(loss))

    def _settle(self, stream: int, known: bool) -> None:
        self._hits[stream] = self._hits.get(stream, 0) + 1 if known else 0
        self._last = self._vitals.step

    @property
    def settled(self) -> bool:
        """True if step after step is read, and all of their graphs are known: then modules need not be heard."""
        if not self._people.optimizers or self._vitals.step - self._last > 1:
            return False
        if self.first_pass is not None and self._vitals.step <= self.first_pass.until:
            return False
        return bool(self._hits) and min(self._hits.values()) >= SETTLED and not self.listening.recurs

    def _leads_to_weights(self, graph: Graph, leaves: Sequence[Tensor]) -> bool:
        """False where what any optimizer moves is out of reach; before there is one, where there is no graph at all."""
        if not graph.vertices or not self._people.optimizers:
            return bool(graph.vertices)
        return not {id(p) for p in self._people.moved()}.isdisjoint(map(id, leaves))

    def _without_weights(self, stream: int) -> None:
        passes = self._aimless[stream] = self._aimless.get(stream, 0) + 1
        if passes == AIMLESS:
            told = {"stream": stream, "passes": passes, "enabled": torch.is_grad_enabled()}
            self._recorder.event(Event("no-graph", self._vitals.step, told))

    def _foresee(self, layout: Layout, sites: Sequence[Site | None], stream: int) -> None:
        try:
            if self.first_pass is not None and self._vitals.step < self.first_pass.until:
                self.first_pass.keep(layout, sites, stream, self._names, self.listening.modules.spans)
        except Exception as error:
            let_through(error)
            self._failed("forecast", error)

    def nest(self, tensors: Any) -> NodeHooks | None:
        """Put the hooks on a pass that runs inside of the one that is read: a checkpoint's recomputation."""
        look = self.looking
        roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        graph = walk(root.grad_fn for root in roots)
        if look is None or not graph.vertices:
            return None
        layout = Layout(graph, within=True)
        sites = self.sites.lay_out(layout, look.stream, *self.listening.owners(), within=_running(look))
        inner = NodeHooks(layout, sites, self._activity, self._failed)
        inner.arm()
        look.inner.append(inner)
        return inner

    def drop(self) -> None:
        """Forget a pass whose end was never heard of."""
        look, self.looking = self.looking, None
        for passed in (look.passed, *look.inner) if look is not None else ():
            passed.disarm()

    def finish(self, look: ObservedPass, grads: Any) -> Draft:
        """Take the hooks away and make a draft of what they have read."""
        began = perf_counter()
        self.looking = None
        look.passed.disarm()
        if grads is not None:
            look.passed.returned(look.inputs, grads)
        numbers = look.passed.numbers()
        sheet = Sheet(look.passed.layout, look.passed.sites, numbers, look.scale)
        self.forensics.backward(sheet, look.stream, self._vitals.step)
        inner = [Sheet(p.layout, p.sites, p.numbers(), look.scale) for p in look.inner]
        # What is put into a checkpoint is a leaf of the inner graph as well, but nobody's parameter.
        inside = [vertex.leaf for p in look.inner for _, vertex in p.layout.graph.leaves()]
        numbered = self._people.number([*look.leaves, *(leaf for leaf in inside if self._names.of(leaf) is not None)])
        # Some of them may be gone when the step is over, together with the modules.
        self._people.announce(numbered.values(), self.listening.modules.called.values(), look.known)
        sheets = Sheets(sheet, inner)
        elapsed = self._schedule.elapsed
        draft = sheets.draft(self._vitals.step, look.stream, elapsed, look.loss, numbered, self._people.name_of)
        draft.known = look.known
        sheets.add_recurrent(draft, self.listening.recurrent.readings(), self._names.modules, look.scale)
        if not look.known and not look.inner and self.sites.have_lines:
            self._shapes.keep(look.stream, look.passed.layout, look.passed.sites, look.passed.holders(numbers))
        self._remark()
        took = began - look.began
        extra = took - self._usual.get(look.stream, took)
        hooks = sum(passed.seconds for passed in (look.passed, *look.inner))
        self._schedule.paid(max(hooks, extra) + perf_counter() - began, captured=True)
        return draft

    def timed(self, stream: int, seconds: float) -> None:
        """Note how long a pass took that was not read."""
        usual = self._usual.get(stream)
        self._usual[stream] = seconds if usual is None else 0.9 * usual + 0.1 * seconds

    def _remark(self) -> None:
        """Tell what this torch lacks, and what recurrent layers could not be read for, once each."""
        for text in (*(capability.lost.text for capability in lacking()), *self.listening.recurrent.notes):
            if text not in self._told:
                self._told.add(text)
                self._recorder.event(Event("note", self._vitals.step, {"text": text}))


def _recomputes(layout: Layout) -> bool:
    """True where a checkpoint will run a part of the forward pass again, inside of the backward pass."""
    return any(vertex.operation.op == CHECKPOINT for vertex in layout.vertices)


def _running(look: ObservedPass) -> Site | None:
    """The operation whose backward runs now, and of which the inner pass is a part."""
    node = current_node()
    vertices = look.passed.layout.vertices
    at = next((i for i, vertex in enumerate(vertices) if vertex.node is node), None)
    return None if at is None else look.passed.sites[at]
