"""By how much a run's learning rates miss: from the true size of its updates."""

from collections.abc import Iterator
from math import isfinite

from gradmedic.finding import Finding
from gradmedic.layers import typical_paces
from gradmedic.recording import Recording

USUAL = 0.003
"""Share of its own size by which a step changes a weight matrix where training goes well: 0.001 to 0.01."""

LARGE = 0.02
"""Share from which a first step counts as large: a run that is sick may owe it to that."""

SLOWER = (
    "learning-rate-too-high",
    "exploding-gradient",
    "loss-spike",
    "dead-relu",
    "saturated-activation",
    "non-finite",
)


def factors(finding: Finding, recording: Recording) -> Iterator[float]:
    """Factors for the learning rate that are worth a trial, the likeliest first."""
    pace = first_pace(recording)
    if finding.rule == "learning-rate-too-low":
        told = finding.evidence.get("suggested_factor")
        if isinstance(told, float):  # else a schedule takes the rate away: no factor helps
            yield from _around(told, 1.0, 3.0, 0.3)
    elif finding.rule in SLOWER:
        fit = min(0.1, USUAL / pace) if pace > LARGE else 0.1
        yield from (factor for factor in _around(fit, 1.0, 10.0, 0.1) if factor < 1)
    else:
        yield from _around(1.0, 10.0, 0.1, 100.0)


def first_pace(recording: Recording) -> float:
    """The largest of the typical paces at the first three captures of any stream; 0 where none was measured."""
    told = [pace for stream in recording.streams for _, pace in list(typical_paces(recording, stream))[:3]]
    return max((pace for pace in told if isfinite(pace)), default=0.0)


def _around(middle: float, *times: float) -> Iterator[float]:
    """Rounded multiples of a factor, each once."""
    yield from dict.fromkeys(float(f"{middle * one:.1g}") for one in times)
