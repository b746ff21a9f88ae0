"""What theory predicts of a network beside what many random initializations of it give."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradmedic.prediction.survey import survey
from gradmedic.probe.graph.graph import starts, walk
from gradmedic.theory.engine import Flow, propagate
from gradmedic.theory.plan.initializations import Init, initialized

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Compared:
    """For every operation and parameter: its name, and the decades of gradient rms by which theory is off."""

    activations: dict[str, float]
    weights: dict[str, float]
    flow: Flow

    @property
    def worst(self) -> float:
        """The largest error of all activations."""
        return max(map(abs, self.activations.values()))

    @property
    def worst_weight(self) -> float:
        """The largest error of all parameters."""
        return max(map(abs, self.weights.values()))


def compared(
    make: Callable[[], nn.Module],
    x: Tensor,
    y: Tensor,
    *,
    init: Init | None = "default",
    inits: int = 24,
    loss: Loss = F.cross_entropy,
) -> Compared:
    """Predict the gradients of a network, and measure their mean squares over fresh initializations."""
    x = x.clone().requires_grad_(x.is_floating_point())

    def run(model: nn.Module) -> Sequence[Tensor]:
        return [loss(model(x.clone() if x.requires_grad else x), y)]

    torch.manual_seed(0)
    model = make()
    seen = survey(model, partial(run, model), [x])
    flow = propagate(seen.plan if init is None else initialized(seen.plan, init))
    sums: dict[tuple[int, int], list[float]] = {}
    for seed in range(inits):
        torch.manual_seed(100 + seed)
        _measure(run(make()), sums)
    at = flow.plan.positions()
    activations, weights = dict[str, float](), dict[str, float]()
    for i, vertex in enumerate(seen.layout.vertices):
        if vertex.leaf is not None and vertex.leaf is not x:
            weights[seen.name_of(i)] = _off(flow, at[i], sums, (i, -1))
        elif (site := seen.sites[i]) is not None and at.get(i) in flow.arrivals:
            activations[f"{site.name} {site.op}"] = _off(flow, at[i], sums, (i, 0))
    return Compared(activations, weights, flow)


def _measure(roots: Sequence[Tensor], sums: dict[tuple[int, int], list[float]]) -> None:
    graph = walk(starts(roots, scaled=False))
    for i, vertex in enumerate(graph.vertices):
        if vertex.leaf is None:
            vertex.node.register_prehook(partial(_note, sums, i))
    roots[0].backward()  # type: ignore[no-untyped-call]
    for i, vertex in graph.leaves():
        sums.setdefault((i, -1), []).append(float(vertex.leaf.grad.square().sum()))
        vertex.leaf.grad = None


def _note(sums: dict[tuple[int, int], list[float]], i: int, grads: Sequence[Tensor | None]) -> None:
    if grads[0] is not None:
        sums.setdefault((i, 0), []).append(float(grads[0].abs().square().sum()))


def _off(flow: Flow, edge: tuple[int, int], sums: dict[tuple[int, int], list[float]], key: tuple[int, int]) -> float:
    squares = sums[key]
    measured = sum(squares) / len(squares)
    log = flow.arrivals[edge].log_square if edge in flow.arrivals else -math.inf
    if not measured:
        return 0.0 if log == -math.inf else math.inf
    return (log - math.log(measured)) / math.log(100)
