"""Operations that simpler ones make up: lengths, gated units, shuffled pixels, the larger of two."""

from collections.abc import Sequence
from dataclasses import replace

from gradmedic.theory.activations.sigmoid import Sigmoid
from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, came, rule, rule_of, signal
from gradmedic.theory.propagation.arithmetic import add, mul, scaled
from gradmedic.theory.propagation.elementwise import activation, function
from gradmedic.theory.propagation.shape import part


def _one_after_another(steps: Sequence[Step], value: Value) -> Propagation:
    """What steps of one operand each make of it in turn."""
    passages = list[Propagation]()
    for step in steps:
        plain = rule_of(step.op)
        if plain is None:
            raise NoRuleError(f"no rule for {step.op}")
        passages.append(plain(step, [value]))
        value = passages[-1].outputs[0]

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        for passage in reversed(passages):
            grads = passage.back(grads)
        return grads

    return Propagation((value,), back, elastic=(1.0,))


@rule("norm")
def norm(step: Step, inputs: Sequence[Value]) -> Propagation:
    """The root of the sum of squares: n q, where n terms are many."""
    if float(step.attributes.get("ord", 2.0)) != 2.0:
        raise NoRuleError("a norm that is not Euclidean")
    whole, edge = signal(inputs[0]).shape, step.inputs[:1]
    dims = {"dim": step.attributes.get("dim")}
    made = [Step("pow", edge, (whole,), {"exponent": 2.0}), Step("sum", edge, step.shapes, dims)]
    return _one_after_another([*made, Step("sqrt", edge, step.shapes)], inputs[0])


@rule("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(step: Step, inputs: Sequence[Value]) -> Propagation:
    """Channels become places of a finer grid (Shi+ 2016), or the other way."""
    (*lead, c, h, w), at = signal(inputs[0]).shape, step.inputs[:1]
    n, coarse = len(lead), step.op == "pixel_unshuffle"
    r = int(step.attributes["downscale_factor" if coarse else "upscale_factor"])
    split = (*lead, c, h // r, r, w // r, r) if coarse else (*lead, c // r**2, r, r, h, w)
    order = (0, 2, 4, 1, 3) if coarse else (0, 3, 1, 4, 2)
    turned = tuple(split[n + i] for i in order)
    dims = (*range(n), *(n + i for i in order))
    made = [Step("view", at, (split,)), Step("permute", at, ((*lead, *turned),), {"dims": dims})]
    return _one_after_another([*made, Step("view", at, step.shapes)], inputs[0])


@rule("maximum", "minimum")
def maximum(step: Step, inputs: Sequence[Value]) -> Propagation:
    """(a + b)/2 + |a - b|/2: sum and difference of two independent signals of one size are independent too."""
    a, b = signal(inputs[0]), signal(inputs[1])
    if a.shape != b.shape or max(a.square, b.square) > 4 * min(a.square, b.square):
        raise NoRuleError("a choice between signals of different size")
    edges, half = ((-1, 0), (-2, 0)), 0.5 if step.op == "maximum" else -0.5
    joint, apart = (add(Step(op, edges, step.shapes), [a, b]) for op in ("add", "sub"))
    size = function(Step("abs", edges[:1], step.shapes), [apart.outputs[0]])
    first, second = scaled(joint.outputs[0], 0.5, 1), scaled(size.outputs[0], half, 1)
    whole = add(Step("add", edges, step.shapes), [first.outputs[0], second.outputs[0]])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        to_joint, to_size = whole.back(grads)
        by_joint = joint.back(first.back([to_joint]))
        by_apart = apart.back(size.back(second.back([to_size])))
        return [
            replace(came(x), k=came(x).k + came(y).k, m=came(x).m + came(y).m)
            for x, y in zip(by_joint, by_apart, strict=True)
        ]

    return Propagation(whole.outputs, back, elastic=(0.5, 0.5))


@rule("glu")
def glu(step: Step, inputs: Sequence[Value]) -> Propagation:
    """One half times the sigmoid of the other (Dauphin+ 2017)."""
    x, dim = signal(inputs[0]), int(step.attributes.get("dim", -1))
    half, rank = step.shape, len(step.shape)
    parts = Step("split", step.inputs, (half, half), {"dim": dim, "split_size": half[dim % rank]})
    halves = part(parts, [x])
    gate = activation(Step("activation", step.inputs, (half,), {"phi": Sigmoid()}), [halves.outputs[1]])
    product = mul(Step("mul", ((-1, 0), (-2, 0)), (half,)), [halves.outputs[0], gate.outputs[0]])

    def back(grads: Sequence[Grad]) -> Sequence[Grad]:
        to_value, to_gate = product.back(grads)
        return halves.back([to_value, *gate.back([to_gate])])

    return Propagation(product.outputs, back, elastic=(1.0,), bends=((0, 0, 1.0),))
