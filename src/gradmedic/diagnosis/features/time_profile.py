"""How the gradient's size changes over the time steps of a recurrent network."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10

from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Site

DEPTH = 3.0
"""Decades after which a time step counts as out of reach: what is left is a thousandth."""


@dataclass(frozen=True)
class Wave:
    """The gradient of one site over time, from its largest value on: `decades` back to the first step.

    `steps` is how many time steps that is, `steady` the share of them over which it kept its
    direction, `horizon` the number of steps after which a thousandth is left (or, growing, after
    which it has become a thousandfold).
    """

    site: Site
    decades: float
    steps: int
    steady: float

    @property
    def per_step(self) -> float:
        """Decades per time step, on the way back."""
        return self.decades / max(1, self.steps)

    @property
    def horizon(self) -> float:
        """The number of time steps in which the gradient changes a thousandfold."""
        return DEPTH / abs(self.per_step) if self.per_step else float("inf")


def waves(recording: Recording, capture: Capture, fewest: int = 5) -> list[Wave]:
    """The waves of all sites that have at least `fewest` time steps, recurrent layers and weights first."""
    found = []
    for key, profile in capture.profiles.items():
        if key in recording.sites and len(profile) >= fewest:
            wave = _wave(recording.sites[key], profile, capture.times.get(key) or range(len(profile)))
            found += [wave] if wave is not None else []
    return sorted(found, key=lambda wave: (wave.site.kind not in (Kind.RECURRENT, Kind.WEIGHTS), wave.site.order))


def _wave(site: Site, profile: Sequence[float], times: Sequence[int]) -> Wave | None:
    sizes = list(profile)
    top = max(range(len(sizes)), key=lambda at: (sizes[at], at))
    if not 0 < sizes[top] < float("inf"):
        return None
    # Where a sequence is read at its end the largest value stands there; a growing one starts there.
    end = top if top > 0 else len(sizes) - 1
    lit = [at for at in range(end + 1) if sizes[at] > 0]
    if len(lit) < 3:
        return None
    # Zeros at the beginning were flushed: the stretch that is left shows the rate.
    decades = [log10(sizes[at]) for at in lit]
    jumps = [earlier - later for earlier, later in pairwise(decades)]
    total = decades[0] - decades[-1]
    along = sum(1 for jump in jumps if jump * total > 0) / len(jumps)
    return Wave(site, total, max(1, times[lit[-1]] - times[lit[0]]), along)
