"""The weight matrices of a network in the order of the forward pass, each with its numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import median

from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Parameter, Site

APPLIES = (Kind.WEIGHTS, Kind.RECURRENT, Kind.OPAQUE)
"""Kinds of operations that apply a matrix to a signal."""

GAIN = 0.05
"""The gain under which weights count as near zero: a step then says nothing about their size."""


@dataclass(frozen=True)
class Layer:
    """One weight matrix where it is applied first. `flow` are the site's numbers, `held` the parameter's."""

    site: Site
    parameter: Parameter
    flow: Mapping[str, float]
    held: Mapping[str, float]

    @property
    def grad(self) -> float:
        """Rms of the weights' gradient over the entries that are not exactly zero.

        Rows that no sample reached (dead units, unused channels) would otherwise pass for a
        small gradient.
        """
        alive = 1 - self.held.get("grad_zero", 0.0)
        return self.held.get("grad_rms", 0.0) / sqrt(alive) if alive > 0 else 0.0

    @property
    def arriving(self) -> float:
        """L2 norm of the gradient that arrives at the layer's output: free of width and image size."""
        return self.flow.get("grad_norm", 0.0)

    @property
    def gain(self) -> float:
        """What the weights alone do to the size of a signal with independent entries: rms x sqrt(fan-in).

        PyTorch's default gives 0.58, Xavier about 1, He 1.41.
        """
        return self.held.get("weight_rms", 0.0) * sqrt(self.site.fan_in or fan_in(self.parameter))

    @property
    def pull(self) -> float:
        """The gradient in units of the weights: the learning rate x pull is the step of plain SGD."""
        weight = self.held.get("weight_rms", 0.0)
        return self.grad / weight if weight > 0 else 0.0

    @property
    def pace(self) -> float | None:
        """The share of its own size by which the step changed the weights."""
        return _pace(self.held, self.parameter, self.site.fan_in)


def layers(recording: Recording, capture: Capture) -> list[Layer]:
    """The trained weight matrices of a capture.

    Embeddings are left out, because their rows are used too unevenly, and so are tables that are
    only added, such as learned positions.
    """
    named = {name: p for p in recording.parameters.values() for name in (p.name, *p.aliases)}
    found: dict[int, Layer] = {}
    for site in recording.in_order(capture.stream):
        owner = named.get(site.parameter or "")
        if owner is None or owner.id in found or not _matrix(owner) or site.kind not in APPLIES:
            continue
        flow, held = capture.sites.get(site.id), capture.parameters.get(owner.id)
        if flow is not None and held is not None and held.get("grad", 1.0):
            found[owner.id] = Layer(site, owner, flow, held)
    return list(found.values())


def paces(recording: Recording, capture: Capture) -> dict[int, float]:
    """The pace of every weight matrix that is not near zero, by parameter id."""
    rows = ((p, capture.parameters.get(p.id, {})) for p in recording.parameters.values() if _matrix(p))
    told = {p.id: _pace(held, p, None) for p, held in rows}
    return {key: pace for key, pace in told.items() if pace is not None}


def typical_paces(recording: Recording, stream: int) -> Iterator[tuple[int, float]]:
    """(step, median pace of the weight matrices) of each capture of a stream that a step followed."""
    for capture in recording.captures_of(stream):
        if found := paces(recording, capture):
            yield capture.step, median(found.values())


def sound(capture: Capture) -> bool:
    """True where all that was measured is finite."""
    rows = (*capture.sites.values(), *capture.parameters.values())
    spoiled = any(row.get(bad, 0) > 0 for row in rows for bad in ("grad_bad", "value_bad", "input_bad"))
    return not spoiled and (capture.loss is None or isfinite(capture.loss))


def fan_in(parameter: Parameter) -> int:
    """How many inputs a unit of this matrix adds up, by PyTorch's layout (out, in, ...)."""
    size = 1
    for length in parameter.shape[1:]:
        size *= length
    return size


def _matrix(parameter: Parameter) -> bool:
    return len(parameter.shape) > 1 and parameter.requires_grad


def _pace(held: Mapping[str, float], parameter: Parameter, known: int | None) -> float | None:
    weight, update = held.get("weight_rms", 0.0), held.get("update_rms")
    if update is None or not isfinite(update) or weight * sqrt(known or fan_in(parameter)) < GAIN:
        return None
    return update / weight
