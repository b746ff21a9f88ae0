"""Who is given the first passes of a run, to work out what theory expects of them: the probe knows no theory."""

from collections.abc import Sequence
from typing import Protocol

from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.names import Names
from gradmedic.probe.hooks.sequence_intervals import Span
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.site import Site


class FirstPass(Protocol):
    """What whoever starts a probe may hand in."""

    until: float
    """The step from which on no pass is wanted any more."""

    def keep(
        self, layout: Layout, sites: Sequence[Site | None], stream: int, names: Names, spans: Sequence[Span]
    ) -> None:
        """Take what is needed from a pass that has not run yet; called for every pass that is read until then."""

    def tell(self, recorder: Recorder) -> None:
        """Record what is expected, when the run is over."""
