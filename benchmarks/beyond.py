"""Networks of today, predicted, and measured over some initializations."""

import math
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
import zoo
from real import Case
from torch import Tensor, nn

from gradmedic.prediction.expected_sizes import Expectation, ranged
from gradmedic.prediction.survey import Survey, survey
from gradmedic.probe.graph.graph import starts, walk
from gradmedic.theory.engine import Flow, propagate
from gradmedic.theory.finite_width import Spread, spread
from gradmedic.theory.reliability import reasons

AIM = 0.15
"""Decades by which half of a network's weights may be off."""

NOTHING = 1e-10
"""A squared gradient norm, relative to the largest one, that is but rounding."""

ROUNDING = 1e-13
"""The same for certain: the square of what single precision tells apart."""


def cases() -> Iterator[tuple[str, Case]]:
    """Each network of the zoo with a batch."""
    generator = torch.Generator().manual_seed(1)
    pictures, labels = torch.randn(16, 3, 64, 64, generator=generator), torch.randint(10, (16,), generator=generator)
    tokens, words = torch.randint(500, (4, 64), generator=generator), torch.randint(500, (256,), generator=generator)
    maps = torch.randint(4, (8, 32, 32), generator=generator)
    yield "ResNet-18", (zoo.resnet18, pictures, labels)
    yield "ResNet-50", (zoo.resnet50, pictures, labels)
    yield "DenseNet", (zoo.densenet, pictures[..., :32, :32], labels)
    yield "U-Net", (zoo.UNet, pictures[:8, :, :32, :32], maps)
    yield "ViT", (zoo.ViT, pictures, labels)
    yield "GPT-2", (zoo.GPT, tokens, words)


@dataclass(frozen=True)
class Compared:
    """One network's prediction beside its measurement: for each layer and weight decades off, and the share inside."""

    name: str
    layers: Sequence[tuple[float, float]]
    weights: Sequence[tuple[float, float]]
    reliable: bool
    seconds: float
    forward: float
    unknown: Sequence[str]

    @property
    def inside(self) -> float:
        """The share of single initializations within the range, over all weights."""
        return statistics.mean(share for _, share in self.weights)

    @property
    def median(self) -> float:
        """The median error over all weights."""
        return statistics.median(error for error, _ in self.weights)

    def __str__(self) -> str:
        rest = f"  no rule: {', '.join(self.unknown)}" if self.unknown else ""
        trust = "" if self.reliable else " (not relied on)"
        columns = f"{_summed(self.layers):>30} {_summed(self.weights):>24}  {self.inside:.2f}{trust:16}"
        return f"{self.name:44} {columns} {self.seconds:5.2f} ({self.forward:.2f}){rest}"


def beyond(networks: Iterable[tuple[str, Case]], inits: int) -> None:
    """Compare all of them; print a line for each, and one for all."""
    print(f"\n{'network':44} {'decades of rms off: layers':>30} {'weights':>24}  inside                  s (forward)")
    found = list[Compared]()
    for name, case in networks:
        found.append(compare(name, case, inits))
        print(found[-1], flush=True)
    if len(found) > 1:
        print(summary(found))


def summary(found: Sequence[Compared]) -> str:
    """How many are within the aims."""
    near = sum(one.median <= AIM for one in found)
    reliable = [one for one in found if one.reliable]
    inside = statistics.mean(one.inside for one in reliable) if reliable else math.nan
    median, seconds = (statistics.median(getattr(one, name) for one in found) for name in ("median", "seconds"))
    return (
        f"{near} of {len(found)} networks have a median error of weights of at most {AIM} decades, the median of all is"
        f" {median:.3f}; {len(reliable)} are called reliable, and of their single initializations {inside:.0%} lie"
        f" inside; median time {seconds:.2f} s"
    )


def compare(name: str, case: Case, inits: int) -> Compared:
    """Predict one network as `gm.predict` does, and measure some initializations of it."""
    make, x, y = case
    x = x.clone().requires_grad_(x.is_floating_point())

    def run(model: nn.Module) -> Sequence[Tensor]:
        return [F.cross_entropy(model(x.clone() if x.requires_grad else x), y)]

    torch.manual_seed(0)
    model = make().train()
    run(model)
    began = time.perf_counter()
    run(model)
    forward, began = time.perf_counter() - began, time.perf_counter()
    seen = survey(model, partial(run, model), [x])
    flow = propagate(seen.plan)
    unruled = {vertex for i in flow.unknown if (vertex := flow.plan.steps[i].vertex) >= 0}
    if unruled and seen.again is not None:
        seen = seen.again(unruled)
        flow = propagate(seen.plan)
    varies = spread(flow)
    seconds = time.perf_counter() - began
    sums: dict[tuple[int, bool], list[float]] = {}
    for seed in range(inits):
        torch.manual_seed(100 + seed)
        _measure(run(make().train())[0], sums)
    layers, weights = (list(_off(seen, flow, varies, sums, leaves, x)) for leaves in (False, True))
    unknown = sorted({flow.plan.steps[i].op for i in flow.unknown})
    return Compared(name, layers, weights, not list(reasons(flow, varies)), seconds, forward, unknown)


def _measure(loss: Tensor, sums: dict[tuple[int, bool], list[float]]) -> None:
    """Run backward, and note the squared norm of the gradient at each node (False) and leaf (True)."""

    def note(i: int, grads: Sequence[Tensor | None]) -> None:
        if grads[0] is not None:
            sums.setdefault((i, False), []).append(float(grads[0].double().square().sum()))

    graph = walk(starts([loss], scaled=False))
    for i, vertex in enumerate(graph.vertices):
        if vertex.leaf is None:
            vertex.node.register_prehook(partial(note, i))
    loss.backward()  # type: ignore[no-untyped-call]
    for i, vertex in graph.leaves():
        sums.setdefault((i, True), []).append(float(vertex.leaf.grad.double().square().sum()))
        vertex.leaf.grad = None


def _off(
    seen: Survey, flow: Flow, varies: Spread, sums: dict[tuple[int, bool], list[float]], leaves: bool, data: Tensor
) -> Iterator[tuple[float, float]]:
    """For each layer (or weight) the decades by which the rms is off, and the share of initializations in the range."""
    at, told = flow.plan.positions(), Expectation(seen.layout.execution, seen.sites, flow, varies)
    of_weights = {weight.name: weight.grad for weight in told.weights(seen.name_of)}
    largest = max(map(statistics.mean, sums.values()))
    for i, vertex in enumerate(seen.layout.vertices):
        squares, edge = sums.get((i, leaves)), at.get(i)
        known = seen.sites[i] is not None or (leaves and vertex.leaf is not data)
        if not known or not squares or statistics.mean(squares) < ROUNDING * largest or edge not in flow.arrivals:
            continue
        log = flow.arrivals[edge].log_square
        if log == -math.inf and statistics.mean(squares) < NOTHING * largest:
            continue  # a bias before a norm: nothing is predicted, and rounding errors are measured
        interval = of_weights.get(seen.name_of(i)) if leaves else ranged(log, varies.grads.get(edge, 0.0))
        inside = statistics.mean(interval is not None and square**0.5 in interval for square in squares)
        yield abs(log - math.log(statistics.mean(squares))) / math.log(100), inside


def _summed(found: Sequence[tuple[float, float]]) -> str:
    errors = sorted(error for error, _ in found)
    at_90 = errors[min(int(0.9 * len(errors)), len(errors) - 1)]
    return f"{statistics.median(errors):.3f} / {at_90:.3f} / {errors[-1]:.3f}"
