"""What a fixed linear map over places makes of a signal, beside the signal itself: pool(x) - x, x - mean(x)."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, came, rule, signal
from gradmedic.theory.propagation.arithmetic import add
from gradmedic.theory.propagation.convolution import lined, on_grid
from gradmedic.theory.propagation.resampling import matrices
from gradmedic.theory.signals.axes import Axis
from gradmedic.theory.signals.signal import Signal
from gradmedic.theory.signals.spatial_axis import WIDEST, sandwiched, with_axis
from gradmedic.theory.signals.unit_instance import chained, same

Maps = Sequence[tuple[int, Tensor]]
"""Positions of axes, and the map along each."""


@rule("contrast")
def contrast(step: Step, inputs: Sequence[Value]) -> Propagation:
    """(a M + b) K (a M + b)^T, where a sum of independent parts would leave out what M x and x have in common."""
    x, last = signal(inputs[-1]), len(inputs) - 1
    of_map, of_x, mapping = (step.attributes[name] for name in ("of_map", "of_x", "mapping"))
    start, found = x.dims, _maps(mapping, x)
    if found is None:  # over units too: as if independent
        return _as_sum(step, inputs)
    x, unsettled = on_grid(x, len(x.dims) - 2) if mapping.op != "mean" else (x, same)
    x, unlined = lined(x, [dim for dim, _ in found])
    maps = [(x.dims[dim][0].axis, matrix) for dim, matrix in found]
    out = _combined(x, maps, of_x, of_map, [min(WIDEST, x.axes[at].size - 1) for at, _ in maps])
    rows = 1.0
    for _, matrix in maps:
        rows *= float(matrix.sum() / len(matrix))
    out = replace(out, mean=_mean(x, out) * (of_x + of_map * rows), layer=-1, exact=0.0)
    back_dims, turned = x.dims, [(at, matrix.T) for at, matrix in maps]

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad = replace(came(grads[0]), dims=back_dims)
        sent = _combined(grad, turned, of_x, of_map, [x.axes[at].radius for at, _ in maps])
        sent = replace(sent, axes=x.axes, mean=torch.zeros_like(sent.k))
        return [*(None for _ in range(last)), chained([unsettled, unlined], start)(sent)]

    return Propagation((out,), back, told=last, elastic=(*[0.0] * last, 1.0))


def _as_sum(step: Step, inputs: Sequence[Value]) -> Propagation:
    plain = replace(step, op=step.attributes["op"], inputs=step.inputs[:-1], attributes=step.attributes["plain"])
    passage = add(plain, inputs[:-1])
    return replace(passage, back=lambda grads: [*passage.back(grads), None])


def _maps(mapping: Step, x: Signal) -> Maps | None:
    """For each dimension that changes the map along it; none where units are among them."""
    if mapping.op != "mean":
        found: Maps = matrices(mapping, x, len(x.dims) - 2)
    else:
        told = mapping.attributes.get("dim") or range(len(x.dims))
        dims = sorted({dim % len(x.dims) for dim in ([told] if isinstance(told, int) else told)})
        found = [
            (dim, torch.full((n := x.shape[dim], n), 1 / n, dtype=torch.float64)) for dim in dims if x.shape[dim] > 1
        ]
    if not found or any(atom.is_units for dim, _ in found for atom in x.dims[dim]):
        return None
    if max(len(matrix) for _, matrix in found) > 512:
        raise NoRuleError("a map over very many places")
    return found


def _combined(x: Signal, maps: Maps, of_x: float, of_map: float, radii: Sequence[int]) -> Signal:
    """The moments of of_x x + of_map M x, with the same axes."""
    k, m = torch.zeros(()), torch.zeros(())
    for left, right in product((False, True), repeat=2):
        weight = (of_map if left else of_x) * (of_map if right else of_x)
        one_k, one_m = x.k, x.m
        for (at, matrix), radius in zip(maps, radii, strict=True):
            itself = torch.eye(len(matrix), dtype=torch.float64)
            ends = matrix if left else itself, matrix if right else itself
            one_k, one_m = (sandwiched(t, at + 1, x.axes[at], *ends, radius) for t in (one_k, one_m))
        k, m = k + weight * one_k, m + weight * one_m
    for (at, matrix), radius in zip(maps, radii, strict=True):
        x = with_axis(x, at, Axis(len(matrix), radius))
    return replace(x, k=k, m=m)


def _mean(x: Signal, out: Signal) -> Tensor:
    return x.diagonal(x.mean).reshape(-1, *[1] * len(out.axes)).expand_as(out.k)
