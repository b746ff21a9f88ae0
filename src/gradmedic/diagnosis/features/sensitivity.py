"""By how much the weights of a network can change its loss, beside the loss itself."""

from math import isfinite, prod

from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Site


def sensitivity(recording: Recording, capture: Capture) -> float | None:
    """The share of the loss that it would change by if each weight moved by its own size against its gradient.

    To first order, and at most. None where loss or gradients are not known, or the weights themselves are zero.
    """
    moved, held = 0.0, 0.0
    for id, row in capture.parameters.items():
        owner = recording.parameters.get(id)
        if owner is not None and owner.optimizer is not None and "grad_rms" in row and "weight_rms" in row:
            moved += row["grad_rms"] * row["weight_rms"] * prod(owner.shape)
            held += row["weight_rms"]
    if not capture.loss or not isfinite(capture.loss) or held == 0 or not isfinite(moved):
        return None
    return moved / abs(capture.loss)


def second_derivative(recording: Recording, stream: int) -> Site | None:
    """The slope of a ReLU, where it is part of the forward pass: its own derivative is zero everywhere."""
    sites = [site for site in recording.in_order(stream) if "Threshold" not in site.module_type]
    slopes = [site for site in sites if site.op == "threshold"]
    return slopes[0] if slopes and any(site.op == "relu" for site in sites) else None
