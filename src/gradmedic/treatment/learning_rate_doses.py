"""By how much a run's learning rates miss: from the true size of its updates."""

from collections.abc import Iterator
from math import inf, isfinite
from statistics import median

from gradmedic.diagnosis.features.layers import typical_paces
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording

USUAL = 0.003
"""Share of its own size by which a step changes a weight matrix where training goes well: 0.001 to 0.01."""

LARGE = 0.02
"""Share from which a first step counts as large: a run that is sick may owe it to that."""

LEAST = 1e-5
"""The smallest factor that is worth a trial: a run that is wrong by more is wrong in another way."""

ADAPTIVE = {"Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adamax"}
"""Optimizers whose steps have the size of their learning rate, which is then about 0.001."""

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
    if is_from_start(finding):
        return
    if finding.rule == "learning-rate-too-low":
        told = finding.evidence.get("suggested_factor")
        if isinstance(told, float):  # else a schedule takes the rate away: no factor helps
            yield from dict.fromkeys((*adaptive_factor(recording), *_around(told, 1.0, 3.0, 10.0, 0.3)))
    elif finding.rule in SLOWER:
        pace = first_pace(recording)
        fit = max(LEAST, min(0.1, USUAL / pace)) if pace > LARGE else 0.1
        usual = adaptive_factor(recording)
        yield from dict.fromkeys(factor for factor in (*usual, *_around(fit, 1.0, 10.0, 0.1)) if LEAST <= factor < 1)
    else:
        yield from _around(1.0, 10.0, 0.1, 100.0)


def adaptive_factor(recording: Recording) -> list[float]:
    """What takes an adaptive optimizer's rate to 0.001, where that is ten times more or less."""
    top = max((vital.lr for vital in recording.vitals if vital.lr), default=1e-3)
    adaptive = any(held.name in ADAPTIVE for held in recording.optimizers.values())
    return [float(f"{1e-3 / top:.1g}")] if adaptive and not 1e-4 < top < 1e-2 else []


def is_from_start(finding: Finding) -> bool:
    """True for what was wrong before the first step: no step is to blame, and no other size of steps helps."""
    return finding.rank == 1 and finding.rule in ("dead-relu", "saturated-activation")


def first_pace(recording: Recording) -> float:
    """The typical pace of the first step that was measured, the largest of all streams; 0 where none was."""
    told = [pace for stream in recording.streams for _, pace in list(typical_paces(recording, stream))[:1]]
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
