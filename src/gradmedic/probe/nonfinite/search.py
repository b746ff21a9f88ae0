"""When a number stops being finite: find the operation, and tell once."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from torch import Tensor

from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.nonfinite.first_operation import Culprit, find_backward, find_forward, masked
from gradmedic.probe.nonfinite.reasons import describe
from gradmedic.probe.nonfinite.slope_hazards import Hazards
from gradmedic.probe.reading.capture_columns import Sheet
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Event
from gradmedic.recording.site import Site

Sites = Sequence[Site | None]


class NonFiniteSearch:
    """Finds the first culprit of each stream."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told: set[int] = set()
        self._hazards = Hazards()

    def suspects(self, stream: int, loss: float | None, tensors: Any) -> bool:
        """True if a pass ought to be read because of what its loss is, or because of what lies ahead of it."""
        if stream in self._told:
            return False
        if loss is not None and not isfinite(loss):
            return True
        return isinstance(tensors, Tensor) and self._hazards.show(stream, tensors)

    def watches(self, stream: int) -> bool:
        """True if a stream has operations that are looked at before every pass."""
        return self._hazards.has(stream)

    def forward(self, layout: Layout, sites: Sites, stream: int, step: int, loss: float | None) -> bool:
        """Where the loss is not finite search the graph while its saved tensors live; True if that told anything."""
        self._hazards.learn(stream, layout)
        if loss is None or isfinite(loss) or stream in self._told:
            return False
        self._tell(layout, sites, find_forward(layout, layout.graph.roots[0]), {}, stream, step)
        return True

    def backward(self, sheet: Sheet, stream: int, step: int) -> None:
        """The pass has run: search its numbers for the first gradient that is not finite."""
        if stream in self._told or all(map(isfinite, sheet.arrivals.values())):
            return
        culprit = find_backward(sheet.layout, sheet.arrivals)
        if culprit is not None:
            culprit = masked(sheet.layout, culprit, sheet.numbers)
            self._tell(sheet.layout, sheet.sites, culprit, sheet.numbers, stream, step)

    def _tell(self, layout: Layout, sites: Sites, culprit: Culprit, numbers: Any, stream: int, step: int) -> None:
        self._told.add(stream)
        found = describe(layout, culprit, numbers)
        site = _nearest(layout, sites, culprit.vertex)
        if site is not None:
            found |= {"site": site.id, "name": site.name, "file": site.file, "line": site.line}
            found["parameter"] = site.parameter
        found["stream"] = stream
        # A parameter that is bad when a step begins was made so by the step before.
        since = step - 1 if culprit.phase == "parameter" else step
        self._recorder.event(Event("non-finite", max(0, since), found))


def _nearest(layout: Layout, sites: Sites, i: int) -> Site | None:
    """The site of a vertex, or of the operation that uses it."""
    here = i
    while sites[here] is None and layout.vertices[here].consumers:
        here = layout.vertices[here].consumers[0][0]
    return sites[here]
