"""What weights were like when training began: zeros that stay zero, and sizes that nothing brings back."""

from collections.abc import Sequence
from math import isfinite
from statistics import median

from gradmedic.diagnosis.features.depth_profile import foreseen, longest
from gradmedic.diagnosis.features.layers import Layer
from gradmedic.diagnosis.training_state import TrainingState, guessing, outcome
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Parameter, Site

BOUNDED = ("sigmoid", "tanh", "hardtanh", "hardsigmoid", "softmax", "softsign", "erf")


def heavy(found: Sequence[Layer], recording: Recording, gain: float) -> list[Layer]:
    """Layers with a gain from `gain` on whose output nothing brings back to size."""
    looked_up = {site.parameter for site in recording.sites.values() if site.kind is Kind.EMBEDDING}
    large = [layer for layer in found if layer.gain >= gain and layer.parameter.name not in looked_up]
    return [layer for layer in large if not _is_tamed(recording, layer.site)]


def detour(recording: Recording, stream: int) -> tuple[float, float] | None:
    """How many times that of a guess the first loss is, and the share of the run until it is back there.

    Only where the loss of a guess is known. Targets far from zero make the first loss of a regression
    large whatever the weights are: there it is compared with that of outputs at zero, too.
    """
    guess, losses = guessing(recording, stream), [loss for _, loss in recording.losses(stream)]
    if not guess or len(losses) < 8 or not isfinite(losses[0]):
        return None
    typical = [median(losses[i : i + 5]) for i in range(len(losses) - 4)]
    back = next((i for i, loss in enumerate(typical) if loss <= guess), len(losses))
    return losses[0] / max(guess, _largest_target(recording, stream) ** 2), back / len(losses)


def _largest_target(recording: Recording, stream: int) -> float:
    """The size of the largest target of a regression, zero for a classifier."""
    numbers = [
        row
        for capture in recording.captures_of(stream)
        for key, row in capture.sites.items()
        if recording.sites[key].op != "nll_loss"
    ]
    return max((abs(row[end]) for row in numbers for end in ("target_min", "target_max") if end in row), default=0.0)


def as_good_as_critical(recording: Recording, capture: Capture) -> bool:
    """True where theory expects that critical weights change the gradient by less than a decade: it is not the weights.

    A sum over neighbors, or over many residual branches, grows whatever the weights are.
    """
    ledger = longest(capture)
    told = foreseen(recording, ledger) if ledger is not None else None
    return told is not None and abs(told[0] - told[1]) < 1


def _is_tamed(recording: Recording, site: Site) -> bool:
    """True where a normalization or a bounded activation follows before the next weights."""
    after: dict[int, list[Site]] = {}
    for other in recording.sites.values():
        for source in other.inputs:
            after.setdefault(source, []).append(other)
    ahead, seen = list(after.get(site.id, ())), {site.id}
    while ahead:
        found = ahead.pop()
        if found.kind is Kind.NORMALIZATION or (found.op in BOUNDED and not found.tail):
            return True
        if found.id not in seen and found.kind is not Kind.WEIGHTS:
            ahead.extend(after.get(found.id, ()))
        seen.add(found.id)
    return False


def idle(recording: Recording, heavy: list[Layer]) -> bool:
    """True where the heavy layers stand still: whatever learns, they do not."""
    told = [
        capture.parameters[layer.parameter.id].get("update_rms", 0.0) / layer.held["weight_rms"]
        for layer in heavy
        for capture in recording.captures_of(layer.site.stream)
        if layer.parameter.id in capture.parameters
    ]
    return len(heavy) >= 2 and bool(told) and median(told) < 1e-5


def stays_zero(recording: Recording, held: Parameter) -> bool:
    """True for trained weights that are zero, and whose gradient is, in every capture that has it."""
    gain = "Norm" in held.module_type and held.name.endswith("weight")
    if not (len(held.shape) > 1 or gain) or not held.requires_grad or held.optimizer is None:
        return False
    weights = [row for _, row in recording.parameter_series(held.id, "weight_rms")]
    grads = [row for _, row in recording.parameter_series(held.id, "grad_rms")]
    # One look may come too early: behind a head that starts at zero nothing moves at the first step.
    enough = len(grads) >= 3 or any(outcome(recording, stream) is TrainingState.FAILED for stream in recording.streams)
    return bool(grads) and max(weights, default=1.0) == 0 and max(grads) == 0 and enough
