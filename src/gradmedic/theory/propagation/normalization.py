"""Normalization: centered and divided by its own size, over units, positions or samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, Propagation, Value, WeightOperand, came, one, rule, signal
from gradmedic.theory.propagation.arithmetic import total
from gradmedic.theory.signals.axes import Axis, over, pairs
from gradmedic.theory.signals.elementwise_pair import paired, placed
from gradmedic.theory.signals.signal import Signal, swelling
from gradmedic.theory.signals.unit_instance import Pullback, chained, coarsely, parted, settled

TOGETHER = 1.0
"""What projects the gradient off the signal takes nothing away, in 1/width, where the next layer is
normalized too: what its input's size does not matter to is orthogonal to it already. With it the
factor per layer is 1 + 1/n for LayerNorm and 1 + 2/n for RMSNorm, exactly so for ReLU."""

DOUBT = 0.05
"""By how much the square that is sent back through a normalization over samples may be off: what remains, layer by
layer, in plain networks of 20 layers, ResNets and a DenseNet, with finite batches and neighbors that are alike."""


@rule("layer_norm")
def layer_norm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Over all units of an instance: d = d' / q (Xiong+ 2020), with corrections of order 1/width (`Group`)."""
    return _over_units(step, inputs, center=True)


@rule("rms_norm")
def rms_norm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """As `layer_norm`, without centering (Zhang & Sennrich 2019)."""
    return _over_units(step, inputs, center=False)


def _over_units(step: Step, inputs: Sequence[Value], *, center: bool) -> Propagation:
    last = len(step.attributes.get("normalized_shape", (0,)))
    x, back = settled(signal(inputs[0]), range(-last, 0))
    return _with_affine(step, x, Group(x.count, (), center, _eps(step)), back, inputs)


@rule("group_norm")
def group_norm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Over the units of a group at all positions of a sample (Wu & He 2018)."""
    x, back = settled(signal(inputs[0]), [1])
    positions = tuple(atom.axis for dim in x.dims[2:] for atom in dim)
    return _with_affine(
        step, x, Group(max(x.count // step.attributes.get("group", 1), 1), positions, True, _eps(step)), back, inputs
    )


@rule("batch_norm")
def batch_norm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Over all instances of a unit (Yang+ 2019); with a batch of B it loses B - 1 of its B dimensions."""
    x, back = settled(signal(inputs[0]), [1])
    backs = [back]
    for position in range(len(x.axes)):
        if x.axes[position].shown:
            x, fine = coarsely(x, position)
            backs.append(fine)
    group = Group(1, tuple(range(len(x.axes))), True, _eps(step))
    return _with_affine(step, x, group, chained(backs, signal(inputs[0]).dims), inputs, DOUBT)


@rule("own_norm")
def own_norm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Normalization that is written out: as the layer of the same dimensions, with the size that its factors tell."""
    x, weight = signal(inputs[-1]), [signal(value) for value in inputs[:2]]
    reduced = [atom for dim in step.attributes["dims"] for atom in x.dims[dim]]
    units = prod(atom.size for atom in reduced if atom.is_units)
    axes = tuple(atom.axis for atom in reduced if not atom.is_units)
    group = Group(units, axes, step.attributes["center"], 0.0)
    held, back = group.normalized(x)
    size = math.sqrt(weight[0].square * weight[1].square ** (-1 if step.attributes["divides"] else 1))
    over = 0 if weight[0].shape == x.shape else 1

    def through(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad = back(came(grads[0]).scaled(size))
        return [*(grad if i == over else None for i in range(len(inputs) - 1)), grad]

    last = len(inputs) - 1
    bends = ((last, last, -1.0), (over, last, -1.0))
    return Propagation((held.scaled(size),), through, told=last, elastic=(0.0,) * len(inputs), bends=bends, sized=True)


def _eps(step: Step) -> float:
    return float(step.attributes.get("eps") or 1e-5)


@dataclass(frozen=True)
class Group:
    """What is normalized together: so many units, at all instances along some axes."""

    units: int
    axes: tuple[int, ...]
    center: bool
    eps: float

    def everywhere(self, k: Tensor, axes: Sequence[Axis]) -> Tensor:
        """The mean over all pairs along the group's axes, kept as dimensions of size one."""
        for position in self.axes:
            k = over(k, position + 1, pairs(axes[position])).unsqueeze(position + 1)
        return k

    def mean(self, k: Tensor, m: Tensor, axes: Sequence[Axis]) -> Tensor:
        """The second moment of the group's mean."""
        return self.everywhere(k / self.units + m * (1 - 1 / self.units), axes)

    def centered(self, x: Signal) -> Signal:
        """Without the group's mean; two units of different groups lose each its own."""
        if not self.center:
            return x
        within = self.mean(x.k, x.m, x.axes)
        same = (self.units - 1) / max(x.count - 1, 1)
        across = same * within + (1 - same) * self.everywhere(x.m, x.axes)
        return replace(x, k=x.k - within, m=x.m - across, mean=torch.zeros_like(x.mean))

    def normalized(self, x: Signal) -> tuple[Signal, Pullback]:
        """Centered and of size one; the gradient loses what is along the mean and along the signal itself."""
        parts = x.units
        x = x.blended() if self.units > 1 else x
        held = self.centered(x)
        left, right = held.ends(held.k)
        scale = ((left + self.eps) * (right + self.eps)).sqrt().clamp(min=1e-300)
        fan = x.fan if self.units > 1 else math.inf
        out = replace(held, k=held.k / scale, m=held.m / scale, exact=float(self.units > 1), fan=fan)
        # The relative variance of the size is twice this: 1/size^2 is larger on average than 1/mean. Part of it
        # is that there are few instances, part that each unit has drawn weights of its own: where they are
        # small its gradient is large, and small again what it sends on by them.
        few = (1 - x.exact) * out.diagonal(self.mean(out.k**2, out.m**2, out.axes).expand(out.k.shape))
        loose = few.reshape(-1, *[1] * len(out.axes)).clamp(max=0.45)
        swollen = swelling(2 / (x.fan * self.units))
        factor = swollen * (1 + TOGETHER / self.units * (self.units > 1)) / (1 - 2 * loose)

        def back(grad: Signal) -> Signal:
            tilt, grad = grad.tilt, self.centered(grad)
            along = self.mean(grad.k * out.k if tilt is None else tilt, grad.m * out.m, out.axes)
            k, m = ((g - along * o) * factor / scale for g, o in ((grad.k, out.k), (grad.m, out.m)))
            return parted(replace(grad, k=k, m=m, swollen=swollen), parts)

        return out, back


def _with_affine(
    step: Step, x: Signal, group: Group, back: Pullback, inputs: Sequence[Value], doubt: float = 0.0
) -> Propagation:
    """Normalization, then the layer's own weight and bias."""
    held, normal_back = group.normalized(x)
    weight, bias = (_affine(value, x, step) for value in [*inputs[1:3], None, None][:2])
    out, product, sum_ = held, None, None
    if weight is not None:
        product = paired(out, weight)
        out = product.product()
    if bias is not None:
        sum_ = paired(out, bias)
        out = sum_.sum()

    def through(grad: Signal) -> Sequence[Grad]:
        to_bias = to_weight = None
        if sum_ is not None:
            to_bias = total(sum_.reduced(grad, sum_.b))
            grad = replace(sum_.reduced(grad, sum_.a), tilt=grad.tilt)
        if product is not None:
            to_weight = total(product.weighted(grad, product.b))
            if grad.tilt is not None and weight is not None and (size := weight.square) > 0:
                to_weight = _of_gain(grad, grad.tilt / size)
            grad = replace(product.weighted(grad, product.a), tilt=grad.tilt)
        return [back(normal_back(grad)), to_weight, to_bias][: max(len(inputs), 1)]

    return one(out, through, elastic=(0.0,), bends=((0, 0, -1.0),), sized=True, doubt=doubt)


def _of_gain(grad: Signal, tilt: Tensor) -> float:
    """E|dw|^2 of a gain for each unit: the gradient times the normalized value, summed over all instances."""
    return float(grad.share @ grad.everywhere(tilt)) * grad.instances**2 * grad.count


def _affine(value: Value, x: Signal, step: Step) -> Signal | None:
    """The layer's weight or bias as a signal; units are where the layer's units are."""
    if not isinstance(value, WeightOperand):
        return None
    unit_dims = [i for i, dim in enumerate(x.dims) if dim and all(atom.is_units for atom in dim)]
    size = prod(value.shape)
    if not unit_dims or size != x.count:
        return None
    shape = tuple(prod(a.size for a in dim) if i in unit_dims else 1 for i, dim in enumerate(x.dims))
    return placed(value.law, shape, x)
