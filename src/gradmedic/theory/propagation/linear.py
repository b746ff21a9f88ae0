"""Weights that mix units: every unit of the result is a sum over all units."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand, one, rule, signal
from gradmedic.theory.propagation.contraction import contracted
from gradmedic.theory.signals.parameter_law import ParameterLaw
from gradmedic.theory.signals.signal import UNITS, Atom, Signal
from gradmedic.theory.signals.unit_instance import parted, settled

NONE = ParameterLaw(0.0, 0.0)
NOTHING = 1e-9
"""What is left of a sum over instances, relative to what independent ones would give, that counts as nothing."""


@rule("linear", "addmm")
def addmm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """bias + x W: see `mm`. A bias adds the same to all instances of a unit."""
    bias, left, right = inputs
    if bias is not None and not isinstance(bias, WeightOperand):
        raise NoRuleError("a sum and a product at once")
    return _product(step, left, right, bias, lead=1)


@rule("mm", "matmul", "mv")
def mm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """K' = n v A + b^2 (Lee+ 2018, Daniely+ 2016), G = n' v G' (Schoenholz+ 2017).

    E|dW|^2 = n n' sum G o A over all pairs of instances (Jacot+ 2018). A mean of the weights' own
    adds what all units have in common.
    """
    return _product(step, inputs[0], inputs[1], None)


def _product(step: Step, left: Value, right: Value, bias: WeightOperand | None, lead: int = 0) -> Propagation:
    if isinstance(left, Signal) and isinstance(right, Signal):
        passage = contracted(left, right)
        return passage if not lead else Propagation(passage.outputs, lambda grads: (None, *passage.back(grads)))
    weight, x, turned = (left, right, True) if isinstance(left, WeightOperand) else (right, left, False)
    if not isinstance(weight, WeightOperand):
        raise NoRuleError("weights are unknown")
    x = signal(x, "what weights are applied to")
    x, unsettled = settled(x, [0 if turned else -1])
    width = (weight.shape[0] if turned else weight.shape[-1]) if len(weight.shape) > 1 else 1
    made = [(Atom(width, UNITS),) if width > 1 else ()] if len(weight.shape) > 1 else []
    dims = (*made, *x.dims[1:]) if turned else (*x.dims[:-1], *made)
    out = replace(mixed(x, weight.law, width, bias.law if bias else NONE), dims=dims)
    slots = {"mixes": lead + turned, "weight": lead + (not turned)}
    elastic = [0.0] * 3
    elastic[slots["mixes"]] = signal_share(out, bias)

    def back(grad: Signal) -> Sequence[Grad]:
        to_x = unsettled(replace(returned(grad, weight.law, x), dims=x.dims))
        to_weight = weight_square(grad, x)
        both = (to_weight, to_x) if turned else (to_x, to_weight)
        return (*[None if bias is None else bias_square(grad)] * lead, *both)

    return one(out, back, **slots, elastic=tuple(elastic))


def signal_share(out: Signal, bias: WeightOperand | None) -> float:
    """The share of the result that is not the bias."""
    return 1.0 - (bias.law.square / max(out.square, 1e-300) if bias else 0.0)


def mixed(x: Signal, law: ParameterLaw, width: int, bias: ParameterLaw, fan: float | None = None) -> Signal:
    """Sums over all units, or over so many terms like them, weighted at random; dims are those of `x`."""
    x = x.blended()
    n = (x.count if fan is None else fan) / x.swollen
    common = law.mean**2 * n * (x.k + (n - 1) * x.m) if law.mean else torch.zeros_like(x.k)
    out = replace(
        x,
        units=(width,),
        k=law.variance * n * (x.k - x.m if law.balanced else x.k) + common + bias.square,
        m=common + bias.mean**2,
        mean=law.mean * n * x.mean + bias.mean,
        skew=None,
        age=0,
        memory=None,
        fan=float(n),
        swollen=1.0,
        focus=1.0,
        tilt=None,
        layer=-1,
        origin=-1,
        taps=0.0,
        cross=0.0,
        exact=float(law.orthogonal),
    )
    kurtosis = torch.ones_like(x.kurtosis) if law.orthogonal else out.gaussian()
    return replace(out, kurtosis=kurtosis)


def returned(grad: Signal, law: ParameterLaw, x: Signal, fan: float | None = None) -> Signal:
    """The gradient of what weights were applied to; dims are those of `grad`."""
    back = mixed(grad, replace(law, balanced=False), x.count, NONE, fan)
    return parted(replace(back, mean=torch.zeros_like(back.mean)), x.units)


def weight_square(grad: Signal, x: Signal, fan: float | None = None) -> float:
    """E|dW|^2: all pairs of instances, in which gradient and signal both agree."""
    pairs = grad.blended().k * x.blended().k
    return summed(grad, pairs) * grad.instances**2 * grad.count * (x.count if fan is None else fan)


def bias_square(grad: Signal) -> float:
    """E|db|^2: a bias gets the sum over all instances."""
    return summed(grad, grad.k) * grad.instances**2 * grad.count


def summed(grad: Signal, k: Tensor) -> float:
    """The mean of a kernel over all pairs: none at all where only rounding errors are left, as before a norm."""
    share = grad.share if len(k) > 1 else torch.ones(1, dtype=torch.float64)
    all_, same = float(share @ grad.everywhere(k)), float(share @ grad.diagonal(k).abs()) / grad.instances
    return all_ if all_ > NOTHING * same else 0.0
