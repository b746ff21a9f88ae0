"""What every rule has to keep: the shapes of what it makes, and the layout of the gradients that it sends back."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, prod

from gradmedic.theory.plan.plan import Step
from gradmedic.theory.propagation import Grad, NoRuleError, Propagation, Value, WeightOperand
from gradmedic.theory.signals.signal import Signal


class InvariantError(Exception):
    """A rule has made what cannot be right."""


def checked(step: Step, passage: Propagation) -> Propagation:
    """A passage whose outputs have the shapes of the step's; raises `InvariantError` for another."""
    missing = len(step.shapes) - len(passage.outputs)
    if missing < min(0, len(step.shapes) - 1):
        raise InvariantError(f"{len(passage.outputs)} results instead of {len(step.shapes)}")
    for value, shape in zip(passage.outputs, step.shapes, strict=False):
        if value is not None and value.shape != shape:
            raise InvariantError(f"a result of shape {list(value.shape)} instead of {list(shape)}")
        if isinstance(value, Signal):
            _consistent(value)
            if any(bool(t.isnan().any()) for t in (value.k, value.m, value.mean, value.kurtosis)):
                raise NoRuleError(f"the size of what {step.op} makes is not known")
    elastic = tuple(map(_finite, passage.elastic))
    bends = tuple((to, on, _finite(by)) for to, on, by in passage.bends)
    return replace(passage, outputs=(*passage.outputs, *[None] * missing), elastic=elastic, bends=bends)


def _finite(share: float) -> float:
    """How one size goes with another; not at all where both are zero."""
    return share if isfinite(share) else 0.0


def _consistent(value: Signal) -> None:
    if value.count * value.instances != prod(value.shape):
        raise InvariantError(f"{value.count} units with {value.instances} instances each in {list(value.shape)}")
    if 1 in (*(axis.size for axis in value.axes), *(atom.size for dim in value.dims for atom in dim)):
        raise InvariantError("a factor of one entry")
    if value.k.shape != _kernel(value) or value.m.shape != _kernel(value):
        raise InvariantError(f"moments of {list(value.k.shape)} pairs instead of {list(_kernel(value))}")


def _kernel(value: Signal) -> tuple[int, ...]:
    return (len(value.units), *(axis.classes for axis in value.axes))


def fitting(values: Sequence[Value], grads: Sequence[Grad]) -> Sequence[Grad]:
    """Gradients that are laid out as the values that they belong to; raises `InvariantError` for others."""
    for value, grad in zip(values, grads, strict=False):
        if isinstance(grad, float) and isinstance(value, Signal):
            raise InvariantError("a signal's gradient without a layout")
        if isinstance(grad, Signal) and isinstance(value, WeightOperand):
            raise InvariantError("a parameter's gradient with a layout")
        if isinstance(grad, Signal) and isinstance(value, Signal) and _layout(grad) != _layout(value):
            raise InvariantError(f"a gradient of layout {_layout(grad)} for {_layout(value)}")
    return grads


def _layout(value: Signal) -> tuple[object, ...]:
    return value.dims, tuple(axis.classes for axis in value.axes), value.units, tuple(value.k.shape)
