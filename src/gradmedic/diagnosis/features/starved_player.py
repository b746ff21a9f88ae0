"""A player of a contest that learns nothing any more because the other one has won."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure
from gradmedic.diagnosis.loss_progress import progress
from gradmedic.diagnosis.training_state import climb_by_step
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Place, Site

WON = 0.01
"""Share of its first loss from which a judge makes next to no mistake any more."""

SURE = 0.9
"""Share of saturated outputs from which a judge is sure of nearly all that it sees."""

STEEP = Cure(
    Message("Let the loss be steep where it is lost: the non-saturating form, on logits"),
    "loss = F.binary_cross_entropy_with_logits(judge(fake), torch.ones_like(real))",
)


@dataclass(frozen=True)
class StarvedPlayer:
    """What is said of it; `fell` are the decades that its own gradient has lost, `first` and `last` its losses."""

    message: Message
    why: Message
    place: Place
    since: int
    fell: float
    first: float
    last: float


def starved(recording: Recording, stream: int, least: float) -> StarvedPlayer | None:
    """A generator whose judge has become so sure that it tells nothing any more (Goodfellow+ 2014, section 3)."""
    fell = -climb_by_step(list(_own_gradient(recording, stream)))
    found = progress(recording.losses(stream))
    if fell < least or found.first is None or found.last is None or found.last <= found.first:
        return None
    flat, beaten = _flat(recording, stream), _winner(recording, stream)
    values: dict[str, object] = {"times": f"{10**fell:.1g}"}
    if flat is not None:
        values |= {"site": flat.name, "op": flat.op}
        text = "{site} has become so sure that {times} times less of the gradient passes it than at first"
        why = Message("The loss gets worse, and the flat end of the {op} tells the network before it nothing.", values)
        since = next((step for step, share in recording.site_series(flat.id, "saturated") if share > SURE), 0)
        return StarvedPlayer(Message(text, values), why, flat.place, since, fell, found.first, found.last)
    if beaten is None:
        return None
    mine, other = recording.streams[stream], recording.streams[beaten]
    level = progress(recording.losses(beaten)).last or 0.0
    values |= {"loss": f"{mine.name}:{mine.line}", "other": f"{other.name}:{other.line}", "level": f"{level:.2g}"}
    text = "The weights behind {loss} get {times} times less of the gradient than at first: {other} went to {level}"
    why = Message("This loss gets worse, and the network that has won tells the other nothing any more.")
    place = Place(mine.name, "loss", None, mine.file, mine.line)
    return StarvedPlayer(Message(text, values), why, place, 0, fell, found.first, found.last)


def _flat(recording: Recording, stream: int) -> Site | None:
    """The output of a judge that is at its flat end for nearly all samples."""
    ends = [site for site in recording.in_order(stream) if site.tail and site.op in ("sigmoid", "softmax", "tanh")]
    return next((s for s in ends if (seen := recording.site_series(s.id, "saturated")) and seen[-1][1] > SURE), None)


def _winner(recording: Recording, stream: int) -> int | None:
    """The other stream whose loss has gone to nothing."""
    for other in recording.streams:
        found = progress(recording.losses(other))
        if other != stream and found.first and found.last is not None and 0 <= found.last < WON * found.first:
            return other
    return None


def _own_gradient(recording: Recording, stream: int) -> Iterator[tuple[int, float]]:
    """(step, norm of the gradient of the weights that this stream's steps move)."""
    for capture in recording.captures_of(stream):
        moved = [row for row in capture.parameters.values() if row.get("update_rms", 0.0) > 0]
        yield capture.step, hypot(*(row.get("grad_norm", row.get("grad_rms", 0.0)) for row in moved))
