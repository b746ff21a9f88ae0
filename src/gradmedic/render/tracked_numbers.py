"""What a tracker gets of one capture: numbers by group of layers, under names that stay the same over the run."""

from collections.abc import Iterator
from math import isfinite

from gradmedic.recording.records import Capture, Recording, Vital
from gradmedic.recording.site import Kind
from gradmedic.render.layer_ranges import folded

PREFIX = "gradmedic/"
"""What the names of all our numbers begin with: the others are the script's."""

GROUPS = 12
"""Groups of layers at the most: of a deep network neighbors are taken together."""


def tracked_numbers(recording: Recording, capture: Capture, vital: Vital | None) -> dict[str, float]:
    """The finite numbers by name, as `gradmedic/gradient/layers.0-3`; update_ratio, dead and saturated likewise."""
    found = dict(_of_pass(vital)) if vital is not None else {}
    found |= _grouped("gradient", recording.arriving(capture), geometric=True)
    found |= _grouped("update_ratio", list(_update_ratios(recording, capture)), geometric=True)
    for share in ("dead", "saturated"):
        found |= _grouped(share, list(_shares(recording, capture, share)), geometric=False)
    return {f"{PREFIX}{name}": value for name, value in found.items() if isfinite(value)}


def _of_pass(vital: Vital) -> Iterator[tuple[str, float]]:
    told = {"loss": vital.loss, "gradient_norm": vital.grad_norm, "learning_rate": vital.lr}
    yield from ((name, value) for name, value in told.items() if value is not None)


def _grouped(what: str, rows: list[tuple[str, float]], geometric: bool) -> dict[str, float]:
    return {f"{what}/{name}": mean for name, mean, _ in folded(rows, GROUPS, geometric=geometric)}


def _shares(recording: Recording, capture: Capture, column: str) -> Iterator[tuple[str, float]]:
    """A share of each hidden activation that has it."""
    for site in recording.in_order(capture.stream):
        if site.kind is Kind.ACTIVATION and not site.tail and column in capture.sites.get(site.id, {}):
            yield site.name, capture.sites[site.id][column]


def _update_ratios(recording: Recording, capture: Capture) -> Iterator[tuple[str, float]]:
    """Rms of the step over rms of the weights, of each matrix that a step has moved."""
    for key, row in capture.parameters.items():
        parameter = recording.parameters.get(key)
        if parameter and len(parameter.shape) > 1 and row.get("weight_rms") and "update_rms" in row:
            yield parameter.name, row["update_rms"] / row["weight_rms"]
