"""Which operations can have made inf or NaN in a pass that was not read, and whether its gradient was."""

from math import isfinite

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.nonfinite_causes import NonFiniteCause, at_the_edge
from gradmedic.diagnosis.finding import Cure
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Site

MOST = 3
"""Suspects that are named."""

EDGES = ("acos", "asin", "atanh", "acosh", "atan2", "sqrt", "norm", "std", "log", "rsqrt", "reciprocal", "div")
"""Operations that make inf or NaN of ordinary numbers, the likeliest first."""

READ_ALL = Cure(Message("Read every step (--every 1), which names the operation"))


def unread(recording: Recording, event: Event) -> bool:
    """True for weights that are not finite any more though no gradient of the step that wrote them is known."""
    if event.data.get("phase") != "parameter":
        return False
    norms = [v.grad_norm for v in recording.vitals if v.step == event.step and v.grad_norm is not None]
    rows = [row for c in recording.captures if c.step == event.step for row in c.parameters.values()]
    read = [row["grad_rms"] for row in rows if "grad_rms" in row]
    return not (norms or read) or not all(map(isfinite, (*norms, *read)))


def suspects(recording: Recording, stream: int) -> list[Site]:
    """The operations with a pole, or a slope that is infinite somewhere, those nearest to the loss first."""
    found = [site for site in recording.in_order(stream) if site.op in EDGES and site.tail]
    return sorted(found, key=lambda site: (EDGES.index(site.op), -site.order))[:MOST]


def suspected(found: list[Site], parameter: str) -> NonFiniteCause:
    """The origin of weights that are not finite any more behind a pass that was not read."""
    made = Message("{parameter}, behind a step whose pass was not read", {"parameter": parameter})
    if not found:
        return NonFiniteCause(made, Message("Which operation did it is not known."), (READ_ALL,))
    names = ", ".join(dict.fromkeys(f"{site.op} ({site.place.at.rpartition('/')[2] or site.name})" for site in found))
    text = "Which operation did it is not known; of this network's these have a pole or an infinite slope: {names}."
    cures = {cure.code: cure for site in found for cure in at_the_edge(site.op, site.dtype).cures}
    return NonFiniteCause(made, Message(text, {"names": names}), (*cures.values(), READ_ALL))
