"""Measure single operations: for those that theory has no rule for."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from gradmedic.base.interruption import let_through
from gradmedic.prediction.dispatch_mode import Dispatched
from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import CHECKPOINT, Layout
from gradmedic.probe.torch_internals import current_number, outputs_of, sequence_of, without_modes
from gradmedic.theory.plan.plan import Gauge

DRAWS = 8
"""Random gradients that are sent back through one operation: one that sums, say, makes little of most of them."""


class Sizes(Dispatched):
    """Notes the mean square of what each operation returns, by the sequence number of its node.

    An operation of the user's own is not heard of: what it returns is noted where something is done with it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[int, tuple[tuple[int, ...], float]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.is_grad_enabled():
            for arg in args:
                self.see(arg)
        out = func(*args, **(kwargs or {}))
        first = out[0] if isinstance(out, tuple | list) and out else out
        if torch.is_grad_enabled() and _is_read(first) and any(map(_carries, args)):
            self.noted[current_number() - 1] = (tuple(first.shape), mean_square(first))
        return out

    def see(self, value: Any) -> None:
        """Note what a tensor, or several, are as results."""
        if isinstance(value, tuple | list):
            for item in value:
                self.see(item)
        elif _is_read(value) and value.grad_fn is not None and value.output_nr == 0:
            self.noted.setdefault(sequence_of(value.grad_fn), (tuple(value.shape), mean_square(value)))

    def of(self, vertex: Vertex) -> float | None:
        """The mean square of what a vertex returned."""
        if vertex.leaf is not None:
            return mean_square(vertex.leaf) if _is_read(vertex.leaf) else None
        shape, square = self.noted.get(vertex.sequence, ((), None))
        return square if shape == tuple(vertex.shape) else None


def mean_square(x: Tensor) -> float:
    """The mean of |x|^2."""
    x = x.detach()
    return float(x.abs().double().square().mean())


def _is_read(value: Any) -> bool:
    if not isinstance(value, Tensor) or value.is_meta or value.layout is not torch.strided or not value.numel():
        return False
    return value.is_floating_point() or value.is_complex()


def _carries(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_carries, value))
    return isinstance(value, Tensor) and value.requires_grad


def gauged(layout: Layout, vertices: Collection[int], sizes: Sizes) -> dict[int, Gauge]:
    """What some operations have made of their operands' sizes, and what they make of a gradient's."""
    found = {}
    with without_modes(), torch.no_grad():
        for i in vertices:
            vertex = layout.vertices[i]
            out, before = sizes.of(vertex), [edge and sizes.of(layout.vertices[edge[0]]) for edge in vertex.inputs]
            gains = tuple(out / square if out is not None and square else None for square in before)
            found[i] = Gauge(gains, _returned(vertex))
    return found


def _returned(vertex: Vertex) -> tuple[float | None, ...]:
    """By how much the squared norm of a random gradient changes on its way back to each operand, on average."""
    if vertex.operation.op == CHECKPOINT:  # would be computed a second time
        return ()
    run = vertex.node if callable(vertex.node) else vertex.node.apply  # of a function that is written in Python
    generator = torch.Generator(device="cpu").manual_seed(0)
    arrived, sent = 0.0, list[list[float]]()
    try:
        for _ in range(DRAWS):
            grads = [_drawn(kind, generator) for kind in outputs_of(vertex.node)]
            found = run(*grads)
            arrived += sum(map(_square, grads))
            sent.append([_square(grad) for grad in (found if isinstance(found, tuple | list) else (found,))])
    except Exception as error:  # a function of the user's own, which may ask for what is there only in a pass
        let_through(error)
        return ()
    return tuple(sum(squares) / max(arrived, 1e-300) or None for squares in zip(*sent, strict=True))


def _square(grad: Any) -> float:
    return float(grad.abs().double().square().sum()) if isinstance(grad, Tensor) else 0.0


def _drawn(kind: Any, generator: torch.Generator) -> Tensor:
    wide = torch.complex128 if kind.dtype.is_complex else torch.float64
    return torch.randn(tuple(kind.shape), generator=generator, dtype=wide).to(kind.device, kind.dtype)
