"""Sums, products and means of signals, with broadcasting, parameters and constants."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from gradmedic.theory.plan.plan import Constant, Step
from gradmedic.theory.plan.residual_streams import persistence
from gradmedic.theory.propagation import (
    Back,
    Grad,
    NoRuleError,
    Propagation,
    Value,
    WeightOperand,
    came,
    one,
    rule,
    signal,
)
from gradmedic.theory.signals.contraction import Labeled, framed, joined, together
from gradmedic.theory.signals.elementwise_pair import ONE, Pair, paired, placed
from gradmedic.theory.signals.parameter_law import ParameterLaw
from gradmedic.theory.signals.signal import Signal, own, swelling


@rule("add", "sub", "rsub")
def add(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Variances and covariances add, for branches are independent (Yang & Schoenholz 2017); means have a cross term."""
    if "stream" in step.attributes:
        return _in_stream(step, inputs)
    if step.op == "rsub":
        turned = replace(step, op="sub", inputs=step.inputs[::-1], attributes=_turned(step.attributes))
        passage = add(turned, inputs[::-1])
        return replace(passage, back=lambda grads: passage.back(grads)[::-1], elastic=passage.elastic[::-1])
    sign = -1.0 if step.op == "sub" else 1.0
    factor = float(step.attributes.get("alpha", 1.0))
    inputs = operands(step, inputs)
    if step.inputs[0] is not None and step.inputs[0] == step.inputs[-1]:
        return scaled(inputs[0], 1.0 + sign * factor, 2)
    if inputs[1] is None or inputs[0] is None:  # a constant of which nothing is known
        at = 0 if inputs[1] is None else 1
        if not isinstance(inputs[at], Signal):
            raise NoRuleError("a parameter beside what is unknown")
        return scaled(inputs[at], 1.0 if at == 0 else sign * factor, len(inputs), at)
    passage = combined(inputs, lambda pair: pair.sum(sign * abs(factor)), Pair.reduced)
    passage = replace(_beside_nothing(step, passage, inputs), back=_tilting(passage, inputs))
    passage = replace(passage, back=_swelling(passage, inputs))
    sizes = [value.square if isinstance(value, Signal) else 0.0 for value in inputs]
    return replace(passage, elastic=tuple(size / max(signal(passage.outputs[0]).square, 1e-300) for size in sizes))


def _swelling(passage: Propagation, inputs: Sequence[Value]) -> Back:
    """Of what small units send back more, a branch owes to its weights as far as these make the units small."""
    out = signal(passage.outputs[0])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        found = list(passage.back(grads))
        for i, value in enumerate(inputs):
            part = found[i]
            if isinstance(value, Signal) and isinstance(part, Signal) and part.swollen > 1:
                share = min(value.square / max(out.square, 1e-300), 1.0)
                found[i] = replace(part, swollen=swelling(2 * share / value.fan))
        return found

    return back


def _turned(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of a difference whose two operands change places."""
    known = attributes.get("constants", {})
    return {**attributes, "constants": {1 - slot: constant for slot, constant in known.items()}}


def _in_stream(step: Step, inputs: Sequence[Value]) -> Propagation:
    """A sum that stands between two activations: its gradient comes where the first one is steep (`streams`)."""
    slot, before, after = (step.attributes[name] for name in ("stream", "before", "after"))
    plain = {name: value for name, value in step.attributes.items() if name != "stream"}
    passage = add(replace(step, inputs=step.inputs[:2], attributes=plain), inputs[:2])
    out, silent = signal(passage.outputs[0]), "silent" in step.attributes
    focus = persistence(signal(inputs[2]), before, out, after, silent=silent)

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        found = list(passage.back(grads))
        own = found[slot]
        if isinstance(own, Signal):
            found[slot] = replace(own, focus=focus)
        return [*found, None]

    return replace(passage, back=back)


def _beside_nothing(step: Step, passage: Propagation, inputs: Sequence[Value]) -> Propagation:
    """What a silent branch is added to stays what it is, units and all (`silent`)."""
    loud, out = inputs[step.attributes.get("silent", 0)], signal(passage.outputs[0])
    if (
        "silent" not in step.attributes
        or not isinstance(loud, Signal)
        or (loud.dims, loud.axes) != (out.dims, out.axes)
    ):
        return passage
    return replace(passage, outputs=(loud,))


def _tilting(passage: Propagation, inputs: Sequence[Value]) -> Back:
    """A sum's gradient depends on each part of the sum as far as that makes up the sum."""
    out = signal(passage.outputs[0])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        grad, found = came(grads[0]), list(passage.back(grads))
        for i, (value, part) in enumerate(zip(inputs, found, strict=True)):
            if grad.tilt is None or not isinstance(value, Signal) or not isinstance(part, Signal):
                continue
            if value.k.shape == out.k.shape:
                share = (value.squares / out.squares.clamp(min=1e-300)).reshape(-1, *[1] * len(out.axes)) ** 2
                found[i] = replace(part, tilt=share * grad.tilt + grad.k * (value.k - share * out.k))
        return found

    return back


@rule("mul")
def mul(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Second moments of independent factors multiply; each factor's gradient is weighted by the other."""
    if isinstance(other := step.attributes.get("other"), int | float):
        return scaled(inputs[0], float(other), len(inputs))
    inputs = operands(step, inputs)
    if inputs[0] is None or inputs[1] is None:
        raise NoRuleError("a factor is unknown")
    passage = combined(inputs, Pair.product, Pair.weighted)
    return replace(passage, elastic=(1.0, 1.0), bends=((0, 1, 1.0), (1, 0, 1.0)))


@rule("div")
def div(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Division by a number or by a constant; the blueprint tells the constant's reciprocal."""
    if isinstance(other := step.attributes.get("other"), int | float):
        return scaled(inputs[0], 1.0 / float(other), len(inputs))
    return mul(step, inputs)


@rule("masked_fill", "where")
def masked(step: Step, inputs: Sequence[Value]) -> Propagation:
    """What a mask leaves; the softmax that follows knows how much that is, else it is taken as it is."""
    known = step.attributes.get("constants", {})
    slots = [i for i, value in enumerate(inputs) if isinstance(value, Signal)]
    if len(slots) != 1 or not known:
        raise NoRuleError("a choice between two")
    if any(constant.hidden for constant in known.values()):
        return scaled(inputs[slots[0]], 1.0, len(inputs), slots[0])
    share = float(step.attributes.get("share", 0.5))
    gone = share if step.op == "masked_fill" or slots[0] == 1 else 1.0 - share
    return _covered(signal(inputs[slots[0]]), gone, next(iter(known.values())).law, slots[0], len(inputs))


def _covered(x: Signal, gone: float, law: ParameterLaw, slot: int, slots: int) -> Propagation:
    """A signal of which a constant covers a share, wherever: as if entries were covered independently of each other."""
    kept, same = 1.0 - gone, own(x)
    share = same * kept + (1 - same) * kept**2
    cover = same * gone * law.square + (1 - same) * (gone * law.mean) ** 2
    mixed = (1 - same) * kept * gone * law.mean * (x.mean + x.second(x.mean))
    out = replace(x, k=x.k * share + cover + mixed, m=x.m * kept**2 + (gone * law.mean) ** 2)
    out = replace(out, mean=x.mean * kept + gone * law.mean, layer=-1, exact=0.0)

    def back(grad: Signal) -> Sequence[Grad]:
        sent = replace(grad, k=grad.k * share, m=grad.m * kept**2)
        return [sent if i == slot else None for i in range(slots)]

    return one(out, back)


@rule("neg")
def neg(step: Step, inputs: Sequence[Value]) -> Propagation:
    """A change of sign."""
    return scaled(inputs[0], -1.0, 1)


def operands(step: Step, inputs: Sequence[Value]) -> list[Value]:
    """The inputs, with constants of which the law is known as weights."""
    known = step.attributes.get("constants", {})
    return [weight_of(known[i]) if value is None and i in known else value for i, value in enumerate(inputs)]


def weight_of(constant: Constant) -> WeightOperand:
    """A constant, as a parameter that nobody asks for the gradient of."""
    return WeightOperand(constant.law, constant.shape)


def scaled(value: Value, factor: float, slots: int, at: int = 0) -> Propagation:
    """A multiple of one input."""

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        (grad,) = grads
        found = grad.scaled(factor) if isinstance(grad, Signal) else grad and grad * factor**2
        return [found if i == at else None for i in range(slots)]

    out = value.scaled(factor) if isinstance(value, Signal) else value
    if isinstance(value, WeightOperand):
        out = WeightOperand(value.law.scaled(factor), value.shape)
    return Propagation((out,), back)


def combined(
    inputs: Sequence[Value], make: Callable[[Pair], Signal], lead: Callable[[Pair, Signal, Labeled], Signal]
) -> Propagation:
    """Two inputs element by element, at least one of them a signal."""
    like = next((value for value in inputs if isinstance(value, Signal)), None)
    if like is None:
        raise NoRuleError("parameters among themselves")
    a, b = (placed(v.law, v.shape, like) if isinstance(v, WeightOperand) else signal(v) for v in inputs)
    pair = paired(a, b)

    def back(grad: Signal) -> Sequence[Grad]:
        found = [lead(pair, grad, side) for side in (pair.a, pair.b)]
        return [total(g) if isinstance(v, WeightOperand) else g for v, g in zip(inputs, found, strict=True)]

    return one(make(pair), back)


def total(grad: Signal) -> float:
    """The squared norm of a gradient."""
    return grad.square * grad.count * grad.instances


@rule("sum", "mean")
def reduce(step: Step, inputs: Sequence[Value]) -> Propagation:
    """A sum over units or instances counts all pairs of them (`labels.joined`)."""
    if isinstance(inputs[0], WeightOperand):
        raise NoRuleError("a sum of parameters")
    x = signal(inputs[0])
    rank = len(x.dims)
    gone = {dim % rank for dim in _dims(step, rank)}
    label, _ = together(x, ONE.signal, [])
    kept = [(label, i) for i in range(rank) if i not in gone]
    frame = framed(label, ONE, kept)
    dims = frame.signal.dims
    if len(step.shape) == rank:  # keepdim
        rest = iter(dims)
        dims = tuple(() if i in gone else next(rest) for i in range(rank))
    n = prod(atom.size for i in gone for atom in x.dims[i])
    factor = 1.0 / n if step.op == "mean" else 1.0

    def back(grad: Signal) -> Sequence[Grad]:
        return [joined(replace(frame, signal=replace(grad, dims=frame.signal.dims)), ONE, label).scaled(factor)]

    return one(replace(joined(label, ONE, frame).scaled(factor), dims=dims), back)


def _dims(step: Step, rank: int) -> Sequence[int]:
    dims = step.attributes.get("dim")
    if dims is None or dims == ():
        return range(rank)
    return [dims] if isinstance(dims, int) else list(dims)
