"""The learning rate that a recording speaks for, where steps were too large."""

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure
from gradmedic.recording.records import Recording

USUAL = 0.01
"""Update size over weight size of a large step in training that goes well."""


def rate_at(recording: Recording, stream: int, step: int) -> float | None:
    """The learning rate nearest to a step: a schedule's first one is not that of all steps."""
    told = [(abs(v.step - step), v.lr) for v in recording.vitals if v.stream == stream and v.lr]
    return min(told)[1] if told else None


def lower(rate: float | None) -> Cure:
    """A cure by a lower rate; tenfold where none is known."""
    if rate is None:
        return Cure(Message("Lower the learning rate tenfold"))
    code = f'for group in optimizer.param_groups:\n    group["lr"] = {rate:.1g}'
    return Cure(Message("Lower the learning rate to about {rate}", {"rate": f"{rate:.1g}"}), code)


def slower(recording: Recording, stream: int, step: int, pace: float) -> Cure:
    """A cure by the rate at which a step of `pace` near `step` would have been a usual one."""
    rate = rate_at(recording, stream, step)
    return lower(rate * USUAL / pace if rate and pace > USUAL else None)
