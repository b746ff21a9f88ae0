"""Which forward values are worth reading at an operation, from what autograd has saved."""

from math import sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradmedic.probe.graph.graph import Vertex
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.reading import one_pass
from gradmedic.probe.reading.attention import one_hot_rows
from gradmedic.probe.reading.baseline_loss import implied_target, part
from gradmedic.probe.reading.meter import Meter
from gradmedic.probe.reading.saturation import saturates, saturation
from gradmedic.probe.reading.statistics import Number, unit_activity
from gradmedic.probe.torch_internals import saved
from gradmedic.recording.site import Kind

HAZARDS = {
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "rsqrt",
    "div",
    "pow",
    "reciprocal",
    "exp",
    "acos",
    "asin",
    "atanh",
    "acosh",
    "norm",
    "abs",
}
"""Operations whose value or slope is infinite somewhere: their operand's range is always read."""


class Activity:
    """For each site which units have ever been active, over all captures."""

    def __init__(self) -> None:
        self._ever: dict[int, Tensor] = {}

    def idle(self, site: int, entries: Tensor, dim: int) -> tuple[Number, Number] | None:
        """The shares of units without an entry that is not zero: in this capture, and in all of them so far."""
        units = entries.shape[dim]
        if entries.is_cpu:
            ever = self._ever.get(site)
            if ever is None or not ever.is_cpu or len(ever) != units:
                ever = torch.zeros(units, dtype=torch.bool)
            told = one_pass.active_units(entries, dim, ever)
            if told is not None:
                self._ever[site] = ever
                return 1.0 - told[0] / units, 1.0 - told[1] / units
        active = unit_activity(entries, dim)
        return None if active is None else (1.0 - active.double().mean(), self._dead(site, active))

    def _dead(self, site: int, active: Tensor) -> Tensor:
        ever = self._ever.get(site)
        if ever is not None and ever.shape == active.shape:
            active = active | ever
        self._ever[site] = active
        return 1.0 - active.double().mean()


class _Reads(NamedTuple):
    """What is worth reading at a vertex."""

    result: str | None
    operand: str | None
    more: bool


def _reads(layout: Layout, i: int) -> _Reads | None:
    """What the shape of the graph alone tells of it."""
    op, kind = layout.vertices[i].operation, layout.kinds[i]
    if kind is Kind.SHAPE:
        return None
    operand = op.operand if op.operand and _wants_operand(layout, i) else None
    by_hand = op.op in ("pow", "abs") and layout.tail[i]
    more = bool(op.target) or by_hand or kind is Kind.ACTIVATION or op.op in ("batch_norm", "sdpa") or saturates(op.op)
    return _Reads(op.result, operand, more) if op.result or operand or more else None


def read_values(meter: Meter, layout: Layout, i: int, site: int, activity: Activity) -> None:
    """Keep the numbers of a vertex's forward values under (vertex, column)."""
    if layout.reads is None:
        layout.reads = [_reads(layout, j) for j in range(len(layout.vertices))]
    reads, vertex = layout.reads[i], layout.vertices[i]
    if reads is None:
        return
    result = vertex.tensor(reads.result) if reads.result else None
    if isinstance(result, Tensor):
        meter.values(i, "value", result)
    operand = vertex.tensor(reads.operand) if reads.operand else None
    if isinstance(operand, Tensor) and operand.is_floating_point():
        meter.values(i, "input", operand)
    if reads.more:
        _read_more(meter, layout, i, site, activity, result, operand)


def _read_more(meter: Meter, layout: Layout, i: int, site: int, activity: Activity, result: Any, operand: Any) -> None:
    vertex = layout.vertices[i]
    op = vertex.operation
    if op.target:
        _target(meter, i, vertex, op.target)
    elif op.op in ("pow", "abs") and layout.tail[i]:
        found = implied_target(layout, i)
        if found is not None:
            _put_target(meter, found[0], found[2])
    if op.op == "batch_norm":
        _mode(meter, i, vertex)
    if layout.kinds[i] is Kind.ACTIVATION:
        _units(meter, layout, i, site, activity, result, operand)
    bent = _saturated(meter, i, vertex, result, operand)
    if bent is not None:
        meter.put((i, "saturated"), bent)


def _wants_operand(layout: Layout, i: int) -> bool:
    """True for what no result upstream has told: raw inputs, losses, hazards, activations."""
    vertex = layout.vertices[i]
    if layout.kinds[i] in (Kind.LOSS, Kind.ACTIVATION) or vertex.operation.op in HAZARDS:
        return True
    if layout.kinds[i] not in (Kind.WEIGHTS, Kind.RECURRENT):
        return False
    return all(layout.vertices[j].operation.result is None for j in layout.signals[i])


def _target(meter: Meter, i: int, vertex: Vertex, attribute: str) -> None:
    target = vertex.tensor(attribute)
    if isinstance(target, Tensor) and target.numel():
        _put_target(meter, i, target.detach())


def _put_target(meter: Meter, i: int, target: Tensor) -> None:
    low, high = torch.aminmax(target)
    meter.put((i, "target_min"), low)
    meter.put((i, "target_max"), high)


def _mode(meter: Meter, i: int, vertex: Vertex) -> None:
    """Whether a batch normalization uses running statistics, and whether these are still those of a new layer."""
    running = not bool(saved(vertex.node, "training"))
    meter.note((i, "running"), float(running))
    mean, var = vertex.tensor("running_mean"), vertex.tensor("running_var")
    if running and isinstance(mean, Tensor) and isinstance(var, Tensor):
        meter.put((i, "untouched"), ((mean == 0).all() & (var == 1).all()).double())


def read_part(meter: Meter, layout: Layout, i: int, arrived: Tensor) -> None:
    """Keep what a criterion adds to the loss, and what it would add for a guess."""
    if i in layout.criteria and (found := part(layout, i, arrived)) is not None:
        meter.put((i, "loss"), found[0])
        meter.put((i, "guess"), found[1])


def _units(meter: Meter, layout: Layout, i: int, site: int, activity: Activity, result: Any, operand: Any) -> None:
    active = _active(layout.vertices[i], result, operand)
    if active is None or active.dim() < 2:
        return
    dim = unit_dim(layout, i, active.dim())
    idle = activity.idle(site, active, dim)
    if idle is not None:
        meter.put((i, "silent"), idle[0])
        meter.put((i, "dead"), idle[1])


def _active(vertex: Vertex, result: Any, operand: Any) -> Tensor | None:
    """What is not zero where the slope of a piecewise linear activation is not; None for the others."""
    op = vertex.operation.op
    if op == "relu":
        return result.detach() if isinstance(result, Tensor) else None
    if not isinstance(operand, Tensor):
        return None
    if op == "maximum":
        other = vertex.tensor("other")
        return operand.detach() > other.detach() if isinstance(other, Tensor) else None
    if op not in ("clamp", "threshold", "hardtanh", "hardsigmoid"):
        return None
    low, high = _bounds(vertex)
    return (operand.detach() > low) & (operand.detach() < high)


def _bounds(vertex: Vertex) -> tuple[float, float]:
    """The open interval in which a clamp, threshold or hardtanh lets the gradient through."""
    if vertex.operation.op == "hardsigmoid":
        return -3.0, 3.0
    low = _constant(vertex, "min_val", "threshold", "min")
    high = _constant(vertex, "max_val", "max")
    return float("-inf") if low is None else low, float("inf") if high is None else high


def _constant(vertex: Vertex, *attributes: str) -> float | None:
    """The first of some saved constants that a node has."""
    values = (saved(vertex.node, name) for name in attributes)
    return next((float(value) for value in values if isinstance(value, int | float)), None)


def unit_dim(layout: Layout, i: int, dims: int) -> int:
    """The dimension that counts units: channels behind a convolution, else features."""
    feeder = layout.feeder[i]
    spatial = feeder >= 0 and layout.vertices[feeder].operation.op in ("conv", "batch_norm", "group_norm")
    return 1 if dims >= 4 or (spatial and dims >= 3) else dims - 1


def _saturated(meter: Meter, i: int, vertex: Vertex, result: Any, operand: Any) -> Number | None:
    """The share of entries where the activation is flat; of rows that are one-hot for a softmax."""
    op = vertex.operation.op
    if op == "sdpa":
        return _one_hot(meter, i, vertex)
    if isinstance(result, Tensor) and result.numel():
        if op != "softmax":
            return saturation(op, result)
        dim = _softmax_dim(vertex)
        return saturation(op, result, {"dim": dim}) if result.shape[dim] > 1 else None
    if isinstance(operand, Tensor) and operand.numel() and op in ("hardtanh", "hardsigmoid"):
        low, high = _bounds(vertex)
        return saturation(op, operand, {"min": low, "max": high})
    return None


def _one_hot(meter: Meter, i: int, vertex: Vertex) -> Tensor | None:
    """The same of a fused attention; its scale is noted."""
    query, key, mask = (vertex.tensor(name) for name in ("query", "key", "attn_mask"))
    if not isinstance(query, Tensor) or not isinstance(key, Tensor):
        return None
    scale, causal = saved(vertex.node, "scale"), bool(saved(vertex.node, "is_causal"))
    meter.note((i, "score_scale"), 1.0 if scale is None else scale * sqrt(query.shape[-1]))
    return one_hot_rows(query, key, scale, causal, mask if mask is not None else vertex.tensor("attn_bias"))


def _softmax_dim(vertex: Vertex) -> int:
    dim = int(saved(vertex.node, "dim"))
    # Autograd keeps the dimension as an unsigned number: -1 comes back as 2**64 - 1.
    return dim - 2**64 if dim >= 2**63 else dim
