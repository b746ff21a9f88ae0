"""Operations that are several in one: products that are added to something, and products expert by expert."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import torch

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import (
    Grad,
    NoRuleError,
    Propagation,
    Value,
    WeightOperand,
    came,
    rule,
    rule_of,
    signal,
)
from gradmedic.theory.propagation.arithmetic import add, mul, scaled
from gradmedic.theory.propagation.contraction import contracted
from gradmedic.theory.propagation.linear import mm
from gradmedic.theory.signals.axes import diagonal
from gradmedic.theory.signals.signal import Signal, own


@rule("addcmul")
def addcmul(step: Step, inputs: Sequence[Value]) -> Propagation:
    """a + value b c: as a product, and a sum."""
    product = mul(Step("mul", step.inputs[1:3], step.shapes), inputs[1:3])
    return _plus(step, inputs[0], product, alpha=float(step.attributes.get("value", 1.0)))


@rule("bmm")
def bmm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Independent factors: the moments multiply, and the sum counts pairs (`labels.joined`)."""
    if isinstance(inputs[1], WeightOperand) and len(inputs[1].shape) == 3 and isinstance(inputs[0], Signal):
        return _each_by_its_own(step, inputs[0], inputs[1])
    return contracted(signal(inputs[0]), signal(inputs[1]))


def _each_by_its_own(step: Step, x: Signal, weight: WeightOperand) -> Propagation:
    """Weights of its own for each entry of the first dimension, as experts have them: two entries share nothing."""
    if weight.law.mean or any(atom.is_units for atom in x.dims[0]):
        raise NoRuleError("weights of several groups that have a mean of their own, or are applied to units")
    plain = mm(step, [x, WeightOperand(weight.law, weight.shape[1:])])
    out = signal(plain.outputs[0])
    shared = torch.ones((), dtype=torch.float64)
    for atom in out.dims[0]:
        itself = (diagonal(out.axes[atom.axis]) > 0).double()
        shared = shared * itself.reshape(-1, *[1] * (len(out.axes) - atom.axis - 1))

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad = came(grads[0])
        return plain.back([replace(grad, k=grad.k * shared, m=grad.m * shared)])

    return replace(plain, outputs=(replace(out, k=out.k * shared, m=out.m * shared),), back=back)


@rule("baddbmm")
def baddbmm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """beta a + alpha b c for each of a batch."""
    product = bmm(Step("bmm", step.inputs[1:3], step.shapes), inputs[1:3])
    beta, alpha = (float(step.attributes.get(name, 1.0)) for name in ("beta", "alpha"))
    return _plus(step, inputs[0], product, beta=beta, alpha=alpha)


@rule("lerp")
def lerp(step: Step, inputs: Sequence[Value]) -> Propagation:
    """a + w (b - a) for a number w."""
    weight = step.attributes.get("weight")
    if not isinstance(weight, int | float):
        raise NoRuleError("a blend by a tensor")
    end = Propagation((inputs[1],), lambda grads: grads)
    return _plus(step, inputs[0], end, beta=1.0 - float(weight), alpha=float(weight))


def _plus(step: Step, first: Value, product: Propagation, *, beta: float = 1.0, alpha: float = 1.0) -> Propagation:
    """beta times the first operand, plus alpha times what is made of the others."""
    by, own_ = scaled(product.outputs[0], alpha, 1), scaled(first, beta, 1)
    if first is None and beta:
        raise NoRuleError("a sum with what is unknown")
    joint = by if not beta else add(Step("add", ((-1, 0), (-2, 0)), step.shapes), [own_.outputs[0], by.outputs[0]])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        to_first, to_product = (None, grads[0]) if not beta else joint.back(grads)
        return [*own_.back([to_first]), *product.back(by.back([to_product]))]

    return Propagation(joint.outputs, back, elastic=(0.0, 1.0, 1.0))


@rule("grouped_mm")
def grouped_mm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Each token by the weights of its expert: two tokens have weights in common as often as one of E experts."""
    x, weight = inputs[0], inputs[1]
    if not isinstance(x, Signal) or not isinstance(weight, WeightOperand) or len(weight.shape) != 3:
        raise NoRuleError("experts whose weights are no parameter")
    plain = mm(replace(step, op="mm"), [x, WeightOperand(weight.law, weight.shape[1:])])
    out = signal(plain.outputs[0])
    common = torch.where(own(out) > 0, 1.0, 1.0 / weight.shape[0])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        to_x, to_weight = plain.back(grads)[:2]
        to_x = replace(to_x, k=to_x.k * common) if isinstance(to_x, Signal) and to_x.k.shape == common.shape else to_x
        return [to_x, to_weight, *(None for _ in inputs[2:])]

    return replace(plain, outputs=(replace(out, k=out.k * common),), back=back)


WRITES = {"add", "sub", "mul", "copy"}
"""Operations in place that may be written into all of a tensor."""


@rule("copy_slices")
def copy_slices(step: Step, inputs: Sequence[Value]) -> Propagation:
    """What is written into a part of a tensor; as the operation itself where the part is all of it."""
    name, entries = step.attributes.get("writes") or ("", 0)
    plain = rule_of(name)
    if entries != prod(step.shape) or plain is None or name not in WRITES:
        raise NoRuleError("a part of a tensor is written to")
    if name == "copy":
        return Propagation((inputs[1],), lambda grads: [None, *grads])
    return plain(replace(step, op=name), inputs)
