"""Networks of today, predicted, and measured over some initializations."""

import math
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import torch
import torch.nn.functional as F
import zoo
from real import Case
from torch import Tensor, nn

from gradmedic.prediction.expected_sizes import ranged
from gradmedic.prediction.survey import Survey, survey
from gradmedic.probe.graph.graph import starts, walk
from gradmedic.theory.engine import Flow, propagate
from gradmedic.theory.finite_width import Spread, spread
from gradmedic.theory.reliability import reasons

NOTHING = 1e-10
"""A squared gradient norm, relative to the largest one, that is but rounding."""


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


def beyond(networks: Iterable[tuple[str, Case]], inits: int) -> None:
    """Compare all of them, and print a line for each."""
    head = f"{'network':36} {'decades of gradient rms off: layers':>36} {'weights':>24}  inside  seconds (forward)"
    print(f"\n{head}")
    for name, case in networks:
        print(_line(name, case, inits), flush=True)


def _line(name: str, case: Case, inits: int) -> str:
    make, x, y = case
    x = x.clone().requires_grad_(x.is_floating_point())

    def run(model: nn.Module) -> Sequence[Tensor]:
        return [F.cross_entropy(model(x.clone() if x.requires_grad else x), y)]

    torch.manual_seed(0)
    model = make()
    run(model)
    began = time.perf_counter()
    run(model)
    forward, began = time.perf_counter() - began, time.perf_counter()
    seen = survey(model, partial(run, model), [x])
    flow = propagate(seen.plan)
    varies, seconds = spread(flow), time.perf_counter() - began
    sums: dict[tuple[int, bool], list[float]] = {}
    for seed in range(inits):
        torch.manual_seed(100 + seed)
        _measure(run(make())[0], sums)
    layers, weights = (list(_off(seen, flow, varies, sums, leaves, x)) for leaves in (False, True))
    reliable = not list(reasons(flow, varies))
    inside = f"{statistics.mean(share for _, share in layers):.2f}" + ("" if reliable else " (not relied on)")
    unknown = sorted({flow.plan.steps[i].op for i in flow.unknown})
    rest = f"  no rule: {', '.join(unknown)}" if unknown else ""
    return f"{name:36} {_summed(layers):>36} {_summed(weights):>24}  {inside}  {seconds:.2f} ({forward:.2f}){rest}"


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
    at = flow.plan.positions()
    largest = max(map(statistics.mean, sums.values()))
    for i, vertex in enumerate(seen.layout.vertices):
        squares, edge = sums.get((i, leaves)), at.get(i)
        told = seen.sites[i] is not None or (leaves and vertex.leaf is not data)
        if not told or not squares or not sum(squares) or edge not in flow.arrivals:
            continue
        log = flow.arrivals[edge].log_square
        if log == -math.inf and statistics.mean(squares) < NOTHING * largest:
            continue  # a bias before a norm: nothing is predicted, and rounding errors are measured
        interval = ranged(log, varies.grads.get(edge, 0.0))
        inside = statistics.mean(square**0.5 in interval for square in squares)
        yield abs(log - math.log(statistics.mean(squares))) / math.log(100), inside


def _summed(found: Sequence[tuple[float, float]]) -> str:
    errors = sorted(error for error, _ in found)
    at_90 = errors[min(int(0.9 * len(errors)), len(errors) - 1)]
    return f"{statistics.median(errors):.3f} / {at_90:.3f} / {errors[-1]:.3f}"
