"""Gradients of several backward passes that one step adds up."""

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind

WHOLE = 0.02
"""How far passes per step may be from a whole number: the last step of an epoch may have fewer."""


def undivided_passes(recording: Recording, stream: int) -> int:
    """How many passes each step adds up whose losses nothing divides; 1 where that is not so, or not known.

    Of an optimizer that divides by the gradient's size the sum is as good as the mean.
    """
    steps, passes = recording.tallies.get("steps", 0.0), recording.tallies.get("backwards", 0.0)
    if len(recording.streams) != 1 or not steps or any("SGD" not in one.name for one in recording.optimizers.values()):
        return 1
    many = round(passes / steps)
    sites = list(recording.in_order(stream))
    ends = [s.order for s in sites if s.kind is Kind.LOSS] or [s.order for s in sites if s.op in ("mean", "sum")]
    scaled = any(s.op in ("div", "mul") and s.order > max(ends) for s in sites) if ends else True
    return many if many > 1 and abs(passes / steps - many) <= WHOLE * many and not scaled else 1


def divide(passes: int) -> Cure:
    """The cure: the mean of the passes instead of their sum."""
    text = Message("Divide the loss by the {passes} passes that a step adds up", {"passes": passes})
    return Cure(text, f"loss = criterion(model(x), y) / {passes}")
