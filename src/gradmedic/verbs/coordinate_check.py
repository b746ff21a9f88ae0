"""How signals, gradients and updates of a model change with its width: the coordinate check, without any training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from gradmedic.base.errors import ProbeError, SettingsError
from gradmedic.base.messages import Message
from gradmedic.prediction.coordinate_check import CoordinateCheck, ScaledLayer
from gradmedic.prediction.survey import Survey
from gradmedic.probe.preserved_state import undisturbed
from gradmedic.recording.records import MEASURED
from gradmedic.theory.engine import Flow, propagate
from gradmedic.theory.finite_width import spread
from gradmedic.theory.reliability import reasons
from gradmedic.theory.signals.signal import Signal
from gradmedic.theory.update_sizes import DIRECTIONS, Updates, updates
from gradmedic.verbs.predict import Loss, name_of, surveyed

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)

Factory = Callable[[float], Any]
"""From a multiple of the width to a model, or to a model and its optimizer."""


def coordinate_check(
    factory: Factory,
    batch: Any,
    loss: Loss = "cross_entropy",
    *,
    widths: Sequence[float] = WIDTHS,
    optimizer: str = "adam",
    targets: Tensor | None = None,
) -> CoordinateCheck:
    """How the sizes of signals, gradients and updates change with width, and whether a learning rate carries over.

    `factory(width_multiplier)` returns the model at that multiple of its width, or a pair of the model and its
    optimizer (SGD, Adam or AdamW), whose learning rates then are those of each parameter. Without one they are all
    alike, and `optimizer` tells the kind of step: "sgd" or "adam". `batch`, `loss` and `targets` are those of
    `predict`. Nothing is trained, and no gradient is computed: one forward pass for each width, on shapes alone
    where `batch` is a shape.

    Under maximal update parametrization (Yang+ 2021) nothing grows with width and no update fades. Updates are those
    of the first step, to first order in the learning rate. Raises `ProbeError` for a model that cannot be run.
    """
    wide = tuple(sorted({float(width) for width in widths}))
    if len(wide) < 2 or wide[0] <= 0 or not all(map(isfinite, wide)):
        raise SettingsError("a coordinate check needs two widths or more, each a positive multiple")
    if optimizer not in DIRECTIONS:
        raise SettingsError(f"optimizer {optimizer!r} is none of {', '.join(DIRECTIONS)}")
    found = [_at(factory, width, batch, loss, optimizer, targets) for width in wide]
    return CoordinateCheck(
        layers=tuple(_layers(wide, found)),
        widths=wide,
        loss_change=tuple(_positive(one.loss) for one in found),
        optimizer=found[-1].optimizer,
        model=found[-1].model,
        loss=name_of(loss),
        reasons=tuple(_doubts(found)),
    )


@dataclass(frozen=True)
class _Width:
    """What theory tells of one width: by the name of each layer the sizes of its signal, gradient and update."""

    model: str
    optimizer: str
    layers: Mapping[str, tuple[float | None, float | None, float | None]]
    loss: float
    doubts: tuple[Message, ...]


def _at(factory: Factory, width: float, batch: Any, loss: Loss, optimizer: str, targets: Tensor | None) -> _Width:
    with torch.random.fork_rng():
        model, stepping = _made(factory(width))
        kind, rates = (optimizer, dict[str, float]()) if stepping is None else _rates(model, stepping)
        with undisturbed(model), torch.enable_grad():
            model.train()
            seen = surveyed(model, batch, loss, targets)
            flow = propagate(seen.plan)
            moved = updates(flow, kind, lambda name: 1.0 if stepping is None else rates.get(name, 0.0))
            doubts = tuple(reasons(flow, spread(flow)))
    return _Width(type(model).__name__, kind, dict(_sizes(seen, flow, moved)), moved.loss, doubts)


def _made(found: Any) -> tuple[nn.Module, Optimizer | None]:
    model, stepping = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
    if not isinstance(model, nn.Module):
        raise ProbeError(f"the factory makes no model, but something of type {type(model).__name__}")
    if stepping is not None and not isinstance(stepping, SGD | Adam | AdamW):
        raise SettingsError(f"{type(stepping).__name__} is none of SGD, Adam, AdamW: how far it steps is not known")
    return model, stepping


def _rates(model: nn.Module, stepping: Optimizer) -> tuple[str, dict[str, float]]:
    by_id = {id(parameter): float(group["lr"]) for group in stepping.param_groups for parameter in group["params"]}
    rates = {name: by_id.get(id(parameter), 0.0) for name, parameter in model.named_parameters()}
    return ("sgd" if isinstance(stepping, SGD) else "adam"), rates


def _sizes(
    seen: Survey, flow: Flow, moved: Updates
) -> Iterator[tuple[str, tuple[float | None, float | None, float | None]]]:
    """Each layer's name with its sizes, in forward order."""
    sites = {i: seen.sites[flow.plan.steps[i].vertex] for i in moved.layers if flow.plan.steps[i].vertex >= 0}
    layers = {i: site for i, site in sites.items() if site is not None and site.kind in MEASURED}
    for i in sorted(layers, key=lambda i: layers[i].order):
        site = layers[i]
        step, output = moved.layers[i].result
        value, grad = flow.values[step][output], flow.arrivals.get((step, output))
        arrived = grad if grad is not None and isinstance(grad.grad, Signal) and grad.grad.square > 0 else None
        size = value.square**0.5 if isinstance(value, Signal) else None
        gradient = None if arrived is None else torch.tensor(arrived.log_mean_square / 2).double().exp().item()
        yield site.name, (_positive(size), _positive(gradient), _positive(moved.layers[i].moved))


def _positive(size: float | None) -> float | None:
    return size if size is not None and size > 0 and isfinite(size) else None


def _layers(widths: tuple[float, ...], found: Sequence[_Width]) -> Iterator[ScaledLayer]:
    """The layers that every width has."""
    for name in found[-1].layers:
        if all(name in one.layers for one in found):
            signal, grad, update = (tuple(one.layers[name][what] for one in found) for what in range(3))
            yield ScaledLayer(name, widths, signal, grad, update)


def _doubts(found: Sequence[_Width]) -> Iterator[Message]:
    """Why not to rely on it: what makes the prediction of any width doubtful, each reason once."""
    told = set[str]()
    for one in reversed(found):
        for reason in one.doubts:
            if reason.text not in told:
                told.add(reason.text)
                yield reason
    silent = [name for name, sizes in found[-1].layers.items() if sizes[2] is None]
    if silent:
        yield Message(
            "No update is known of {layers}: no gradient reaches them at the first step.",
            {"layers": ", ".join(silent[:3]) + (" ..." if len(silent) > 3 else "")},
        )
