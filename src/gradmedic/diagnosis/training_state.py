"""What became of a run, where the loss alone would be too kind or too strict a judge.

`progress` compares the end of the loss with its beginning. That is too kind where the first step
threw the loss up so that it could fall again, and where a network fell to the loss of knowing
nothing; too strict where there is little to be learned. It says nothing where two networks play
against each other, or the loss has no zero.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from math import inf, isfinite, log, log10
from statistics import median

from gradmedic.diagnosis.loss_progress import LossProgress, progress
from gradmedic.recording.records import Capture, Event, Recording

STEADY = 4.0
"""Times by which the variance of targets differs from batch to batch at the most; more means that they move."""

GUESSES, KNOWS = 0.98, 0.95
"""Shares of the loss of a guess above which a network only guesses, and below which it does more than that:
of what is mostly noise there is little to be learned."""


REST = 0.02
"""Share of what is known of a loss that may be added to it, and the guess still be told."""


class TrainingState(StrEnum):
    """What became of a stream."""

    LEARNING = "learning"
    SETTLED = "settled"
    """The loss fell first and has been flat since: converged, or stopped short."""
    FAILED = "failed"
    UNCLEAR = "unclear"


def outcome(recording: Recording, stream: int) -> TrainingState:
    """Judge one stream by its loss, by what the loss was before the first step, and by mere guessing."""
    losses = recording.losses(stream)
    found = progress(losses)
    if found.state == "unclear":
        return TrainingState.UNCLEAR
    if losses and not isfinite(losses[-1][1]):
        return TrainingState.FAILED
    if found.last is None or min(loss for _, loss in losses) < 0 or is_contest(recording, stream):
        return TrainingState.UNCLEAR
    level = guessing(recording, stream)
    learns = found.learns or (level is not None and found.last < level and _knows_more(recording, stream))
    if not learns or only_recovered(losses, found) or (level is not None and found.last > GUESSES * level):
        return TrainingState.FAILED
    return TrainingState.SETTLED if found.flat else TrainingState.LEARNING


def stalled(recording: Recording, stream: int) -> bool:
    """True where the first half of the run brought nothing."""
    losses = recording.losses(stream)
    return progress(losses[: len(losses) // 2]).state == "stuck"


def is_contest(recording: Recording, stream: int) -> bool:
    """True where another stream's steps lie between those of this one, as in a GAN.

    The losses of a contest may stay level, rise and swing for good reason.
    """
    spans = {other: [v.time for v in recording.vitals if v.stream == other] for other in recording.streams}
    mine = spans.pop(stream, [])
    return bool(mine) and any(times and times[0] < mine[-1] and mine[0] < times[-1] for times in spans.values())


def guessing(recording: Recording, stream: int) -> float | None:
    """The loss of the best constant outputs, which know nothing of the inputs; None where it is not known.

    Of a classifier that is the entropy of its classes, of a regression the variance of its targets, where these
    stay what they are; and in the unit of the loss that `backward` was called on.
    """
    ends = {site.op for site in recording.in_order(stream) if site.kind == "loss"}
    told = [level for _, level in guesses(recording, stream)]
    if "log_softmax" in ends:
        return median(told) if told else _of_classes(recording, stream, ends)
    return median(told) if told and min(told) > 0 and max(told) < STEADY * min(told) else None


def guesses(recording: Recording, stream: int) -> list[tuple[int, float]]:
    """(step, loss of a guess) of the captures that tell it; none where something else is part of the loss."""
    found = []
    for capture in recording.captures_of(stream):
        parts = [row for row in capture.sites.values() if "loss" in row or "guess" in row]
        if not parts or not all("guess" in row for row in parts):
            continue
        known = sum(row.get("loss", 0.0) for row in parts)
        rest = (capture.loss or 0.0) - known if any("loss" in row for row in parts) else 0.0
        if abs(rest) > REST * abs(known):
            return []
        found.append((capture.step, sum(row["guess"] for row in parts) + rest))
    return found


def _of_classes(recording: Recording, stream: int, ends: set[str]) -> float | None:
    """The same of a cross-entropy of which only the number of classes was seen."""
    sites = [site for site in recording.in_order(stream) if site.kind == "loss"]
    classes = {site.shape[1] for site in sites if site.op == "log_softmax" and len(site.shape) > 1}
    seen = any(recording.site_series(site.id, "loss") for site in sites)
    if ends != {"log_softmax", "nll_loss"} or len(classes) != 1 or min(classes) < 2 or seen:
        return None
    return log(classes.pop())


def before_the_end(recording: Recording, stream: int) -> Iterator[Capture]:
    """The captures up to the first value that is not finite and was not left out: what follows is debris."""
    ends = [step for step, loss in recording.losses(stream) if not isfinite(loss)]
    found = sorted(recording.events_of("non-finite"), key=lambda event: event.step)
    ends += islice((event.step for event in found if not left_out(recording, event)), 1)
    yield from (capture for capture in recording.captures_of(stream) if not ends or capture.step < min(ends))


def left_out(recording: Recording, event: Event) -> bool:
    """True where a GradScaler has seen it and left the step out: that is how it finds its scale."""
    at = [vital for vital in recording.vitals if vital.step == event.step]
    return any(v.skipped for v in at) and all(isfinite(v.loss or 0.0) for v in at)


def climb_by_step(series: Sequence[tuple[int, float]]) -> float:
    """Decades from the typical size of the first three values to that of the second half, by steps.

    The (step, value) pairs may lie far apart.
    """
    sizes = [(step, abs(value)) for step, value in series if isfinite(value) and value != 0]
    if len(sizes) < 6:
        return 0.0
    late = [size for step, size in sizes if 2 * step > sizes[-1][0]]
    end = median(late) if len(late) > 2 else min(late)  # one of two may be a spike
    return log10(end / median(size for _, size in sizes[:3]))


def late_climb(series: Sequence[tuple[int, float]]) -> float:
    """Decades from the typical size in the third quarter of the steps to that in the last; 0 where too few tell."""
    sizes = [(step, abs(value)) for step, value in series if isfinite(value) and value != 0]
    end = sizes[-1][0] if sizes else 0
    third = [size for step, size in sizes if 2 * end < 4 * step <= 3 * end]
    last = [size for step, size in sizes if 4 * step > 3 * end]
    return log10(median(last) / median(third)) if third and last else 0.0


def only_recovered(losses: list[tuple[int, float]], found: LossProgress) -> bool:
    """True where the loss is hardly better than before the first step, after which it rose; by decades, or somewhat."""
    if found.last is None or not thrown(losses):
        return False
    untrained, start = _beginning(losses)
    return found.last > (0.8 if start > 10 * untrained else 0.9) * untrained


def thrown(losses: Sequence[tuple[int, float]]) -> bool:
    """True where the first steps threw the loss up, so that its fall is no learning until it is back."""
    untrained, start = _beginning(losses)
    return start > 1.5 * untrained


def _beginning(losses: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """The loss before the first step, and the typical one of the steps behind it."""
    values = [loss for _, loss in losses if isfinite(loss)]
    return (values[0], median(values[1:6])) if len(values) > 1 else (0.0, 0.0)


def _knows_more(recording: Recording, stream: int) -> bool:
    """True where the loss is below that of a guess *on the same batch*, however little it has fallen."""
    losses = dict(reversed(recording.losses(stream)))  # of several passes in a step the first
    late = [
        losses[step] / level
        for step, level in guesses(recording, stream)
        if level > 0 and 4 * step > max(losses) and isfinite(losses.get(step, inf))
    ]
    return bool(late) and median(late) < KNOWS
