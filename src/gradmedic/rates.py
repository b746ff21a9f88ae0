"""By how much a run's learning rates miss: from the true size of its updates."""

from collections.abc import Iterator
from math import inf, isfinite
from statistics import median

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


def gradient_sizes(recording: Recording) -> list[float]:
    """Root mean squares of the gradients of all weights at the first captures, the largest first."""
    rows = (row for capture in recording.captures[:3] for row in capture.parameters.values())
    return sorted((size for row in rows if 0 < (size := row.get("grad_rms", 0.0)) < inf), reverse=True)


def weight_sizes(recording: Recording, names: tuple[str, ...] = ()) -> float:
    """The typical root mean square of weight matrices when training began; of those whose names begin so."""
    stems = tuple(name.rstrip("*") for name in names)
    held = [p.id for p in recording.parameters.values() if len(p.shape) > 1 and p.name.startswith(stems or "")]
    rows = [row for key in held for _, row in recording.parameter_series(key, "weight_rms")[:1] if row > 0]
    return median(rows) if rows else 0.0


def run_length(recording: Recording) -> int:
    """How many steps the run has made."""
    return max((vital.step for vital in recording.vitals), default=0) + 1
