"""What an optimizer is given and what it makes of it: gradients, true updates, forgotten zeroing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any
from weakref import ref

from torch import Tensor

from gradmedic.base.storage import is_readable
from gradmedic.probe.reading.meter import Meter
from gradmedic.probe.reading.one_pass import distances
from gradmedic.probe.torch_internals import version_of

SAMPLE = 2**16
"""Entries of a parameter that are copied to measure its update: evenly spread rows of a large one."""


WATCHED = 3
"""Parameters that are looked at to notice updates by hand."""


@dataclass
class Canary:
    """Tells whether anybody zeroes the gradients of an optimizer between two of its steps.

    The gradient of one parameter is looked at before every backward pass. If it is the very tensor,
    at the very version, that the last step has left, what the pass adds goes on top of old sums.
    """

    tensor: Any = None
    _seen: tuple[int, int | None] | None = None
    _untouched: bool = False
    _added: bool = False
    sang: bool = False
    """True once a step has used gradients that nobody had zeroed."""

    def after_step(self, parameters: Iterable[Tensor]) -> None:
        """Remember the gradient that a step has used."""
        if self.tensor is None or self.tensor() is None:
            found = next((p for p in parameters if p.grad is not None and not p.grad.is_sparse), None)
            if found is None:
                return
            self.tensor = ref(found)
        # Gradients that are gone by the time of the next pass have been dropped: nothing to compare.
        self._seen = _state(self.tensor())
        self._untouched = self._seen is not None
        self._added = False

    def clipped(self, parameters: set[int], writes: int) -> None:
        """Take the writes that clipping is about to make for what they are."""
        if self._untouched and self._seen is not None and id(self.tensor()) in parameters:
            self._seen = (self._seen[0], None if self._seen[1] is None else self._seen[1] + writes)

    def before_backward(self) -> None:
        """See whether the gradient has been zeroed, replaced or dropped."""
        if self._untouched and _state(self.tensor()) != self._seen:
            self._untouched = False

    def after_backward(self) -> None:
        """See whether the pass has added to it."""
        if self._untouched:
            now = _state(self.tensor())
            self._added = self._added or now != self._seen
            self._seen = now

    @property
    def stale(self) -> bool:
        """True if the next step uses gradients that were added to those of the last one."""
        self.sang = self.sang or (self._untouched and self._added)
        return self._untouched and self._added


@dataclass
class _Watched:
    """A parameter as the last backward pass has left it."""

    tensor: Any
    weights: tuple[int | None, float] | None = None
    grad: tuple[int, int | None] | None = None

    @property
    def moved(self) -> bool:
        tensor = self.tensor()
        return self.weights is not None and (tensor is None or _fingerprint(tensor) != self.weights)

    @property
    def stale(self) -> bool:
        return self.grad is not None and _state(self.tensor()) == self.grad


@dataclass
class ManualUpdates:
    """Notices updates that no optimizer makes: `p -= lr * p.grad`, or an optimizer that is not torch's."""

    _watched: list[_Watched] = field(default_factory=list)

    def watch(self, leaves: Iterable[Tensor]) -> None:
        """Choose the smallest of the parameters to look at; one alone might never move."""
        if not self._watched or any(watched.tensor() is None for watched in self._watched):
            smallest = sorted(leaves, key=lambda leaf: leaf.numel())[:WATCHED]
            self._watched = [_Watched(ref(leaf)) for leaf in smallest]

    def after_backward(self) -> None:
        """Remember the parameters and their gradients."""
        for watched in self._watched:
            tensor = watched.tensor()
            if tensor is not None:
                watched.weights, watched.grad = _fingerprint(tensor), _state(tensor)

    def moved(self) -> bool:
        """True if a parameter has changed, or is gone, since the last backward pass."""
        return any(watched.moved for watched in self._watched)

    def replaced_in(self, leaves: Iterable[Tensor]) -> bool:
        """True if the next pass goes through other tensors: `w = (w - lr * w.grad).requires_grad_()`."""
        here = {id(leaf) for leaf in leaves}
        return bool(self._watched) and here.isdisjoint(id(watched.tensor()) for watched in self._watched)

    @property
    def stale(self) -> bool:
        """True if the gradients that have been used are still there, for the next pass to add to."""
        moved = [watched for watched in self._watched if watched.moved]
        return bool(moved) and all(watched.stale for watched in moved)


def _fingerprint(tensor: Tensor) -> tuple[int | None, float]:
    return version_of(tensor), float(tensor.detach().sum()) if is_readable(tensor) else 0.0


def _state(tensor: Tensor | None) -> tuple[int, int | None] | None:
    grad = tensor.grad if tensor is not None else None
    if grad is None:
        return None
    return grad.data_ptr() if is_readable(grad) and not grad.is_sparse else id(grad), version_of(grad)


def rows(tensor: Tensor) -> Tensor:
    """The entries by which an update is measured, as a view where that is possible."""
    flat = tensor.detach().flatten()
    return flat if flat.numel() <= SAMPLE else flat[:: flat.numel() // SAMPLE]


def _whole_or_rows(tensor: Tensor) -> Tensor:
    """The same of any shape: most parameters are small, and lie side by side as they are."""
    return tensor if tensor.numel() <= SAMPLE and tensor.is_contiguous() else rows(tensor)


@dataclass
class Update:
    """One optimizer step, measured: `before` it moves the weights, then `after`."""

    meter: Meter = field(default_factory=Meter)
    _before: list[tuple[int, Any, Tensor]] = field(default_factory=list)
    """Of each parameter its id, a weak reference, and a copy."""
    _numel: dict[int, tuple[int, int]] = field(default_factory=dict)

    def before(self, parameters: Iterable[tuple[int, Tensor]], scale: Tensor | None = None) -> None:
        """Read gradients and weights of (id, tensor) pairs, and keep a copy to compare with."""
        here = [(key, tensor) for key, tensor in parameters if is_readable(tensor)]
        grads: dict[int, Tensor] = {}
        for key, tensor in here:
            grad = tensor.grad
            self._numel[key] = (1, 1)
            if grad is not None and (scale is None or is_readable(grad)):
                values = grad.coalesce().values() if grad.is_sparse else grad
                grads[key] = values if scale is None else values / scale
                self._numel[key] = (max(1, grad.numel()), 1)
        self.meter.moments_of_all(grads, "grad", "nonzero")
        samples = {key: _whole_or_rows(tensor) for key, tensor in here}
        self.meter.moments_of_all(samples, "weight")
        for key, tensor in here:
            self._numel[key] = (self._numel[key][0], max(1, samples[key].numel()))
            self._before.append((key, ref(tensor), samples[key].detach().clone()))

    def after(self, with_twins: bool) -> None:
        """Read how far the weights have moved, and whether their units are alike."""
        alive = [(key, tensor, old) for key, weak, old in self._before if (tensor := weak()) is not None]
        here = [(key, tensor, old) for key, tensor, old in alive if is_readable(tensor)]
        now = [_whole_or_rows(tensor) for _, tensor, _ in here]
        for (key, tensor, old), new, far in zip(here, now, distances(now, [old for *_, old in here]), strict=True):
            if far is None:
                self.meter.size((key, "update"), new.detach() - old)
            else:
                self.meter.note((key, "update"), far)
            if with_twins and (alike := twins(tensor)) is not None:
                self.meter.put((key, "twins"), alike)
        self._before.clear()

    def columns(self) -> dict[int, dict[str, float]]:
        """The columns of each parameter."""
        found: dict[int, dict[str, float]] = {key: {"grad": 0.0} for key in self._numel}
        for (key, what), value in self.meter.numbers().items():
            entries, sampled = self._numel[key]
            column = found[key]
            if what == "nonzero":
                column["grad"], column["grad_zero"] = 1.0, 1.0 - value / entries
            elif what == "grad":
                column["clipped_rms"] = value / sqrt(entries)
                column.setdefault("grad_norm", value)
            elif what == "unclipped":
                column["grad_norm"] = value
            elif what == "twins":
                column["twins"] = value
            else:
                column[f"{what}_rms"] = value / sqrt(sampled)
        for key, column in found.items():
            if "grad_norm" in column:
                column["grad_rms"] = column["grad_norm"] / sqrt(self._numel[key][0])
        return {key: _finite(column) for key, column in found.items()}


def _finite(column: dict[str, float]) -> dict[str, float]:
    """Numbers that are not finite are told by `grad_bad`, never stored."""
    bad = [name for name, value in column.items() if value - value != 0]
    kept = {name: value for name, value in column.items() if name not in bad}
    return {**kept, "grad_bad": 1.0} if "clipped_rms" in bad else kept


def twins(tensor: Tensor) -> Tensor | None:
    """The share of units that equal their neighbor bit by bit, or None for what has no units."""
    if tensor.dim() < 2 or tensor.shape[0] < 2 or tensor.is_sparse:
        return None
    flat = tensor.detach().flatten(1)
    return (flat[1:] == flat[:-1]).all(dim=1).double().mean()
