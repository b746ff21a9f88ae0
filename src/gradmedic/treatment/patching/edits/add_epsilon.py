"""Operands that are kept where a logarithm, a root or a quotient is finite."""

import ast
from collections.abc import Callable, Mapping
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError

NEVER_NEGATIVE = ("norm", "std", "var", "abs", "square", "exp", "sqrt", "softmax", "sigmoid", "count_nonzero")
"""Functions whose result may be zero, and never lies below it."""


class Guard(Edit):
    """Clamps the operand of a function, and adds to a divisor that is never negative."""

    name: ClassVar[str] = "guard"
    remedies: ClassVar[tuple[str, ...]] = ("add-epsilon",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        epsilon = f"{order.number('epsilon', 1e-6):g}"
        places = Places(source)
        found = places.uses(order.words("sites"))
        return [change for use in found for change in _guarded(places, use, epsilon)]


def _guarded(places: Places, use: OperationUse, epsilon: str) -> list[TextEdit]:
    guard = GUARDS.get(use.op)
    if guard is None:
        raise UnsureError(Message("it is not plain how line {line} is to be guarded", {"line": use.node.lineno}))
    return guard(places, use, epsilon)


def _above(places: Places, use: OperationUse, epsilon: str) -> list[TextEdit]:
    return operand(places.source, use, f".clamp(min={epsilon})")


def _inside(places: Places, use: OperationUse, epsilon: str) -> list[TextEdit]:
    return operand(places.source, use, f".clamp({epsilon} - 1, 1 - {epsilon})")


def _root(places: Places, use: OperationUse, epsilon: str) -> list[TextEdit]:
    """A fractional power: of what is not negative."""
    power = use.node.right if isinstance(use.node, ast.BinOp) else None
    if not isinstance(power, ast.Constant) or not isinstance(power.value, float) or power.value.is_integer():
        raise UnsureError(Message("it is not plain how line {line} is to be guarded", {"line": use.node.lineno}))
    return _above(places, use, epsilon)


def _divided(places: Places, use: OperationUse, epsilon: str) -> list[TextEdit]:
    """A divisor that is a norm, or something else that cannot be negative."""
    divisor = use.node.right if isinstance(use.node, ast.BinOp) else None
    call = divisor if isinstance(divisor, ast.Call) else None
    name = getattr(call.func, "attr", getattr(call.func, "id", "")) if call is not None else ""
    if divisor is None or name not in NEVER_NEGATIVE:
        raise UnsureError(
            Message("it is not plain that the divisor in line {line} is never negative", {"line": use.node.lineno})
        )
    return wrapped(places.source, divisor, f".clamp(min={epsilon})")


def _spread(places: Places, use: OperationUse, epsilon: str) -> list[TextEdit]:
    """A norm or a standard deviation, as the root of something that is never zero."""
    start, end = places.source.span(use.node)
    if use.op == "norm":
        return [TextEdit(start, start, "("), TextEdit(end, end, f".square() + {epsilon} ** 2).sqrt()")]
    call = use.node
    if use.form is not Form.METHOD or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        raise UnsureError(Message("it is not plain how line {line} is to be guarded", {"line": call.lineno}))
    name = places.source.span(call.func)[1]
    return [TextEdit(start, start, "("), TextEdit(name - 3, name, "var"), TextEdit(end, end, f" + {epsilon}).sqrt()")]


def operand(source: ParsedScript, use: OperationUse, behind: str) -> list[TextEdit]:
    """Something behind what an operation is applied to."""
    if use.operand is None:
        raise UnsureError(Message("line {line} is written in an unusual way", {"line": use.node.lineno}))
    return wrapped(source, use.operand, behind, stands=use.form is Form.METHOD)


def wrapped(source: ParsedScript, node: ast.expr, behind: str, *, stands: bool = False) -> list[TextEdit]:
    """Something behind an expression, in parentheses where it needs them; `stands` says that it has what it needs."""
    start, end = source.span(node)
    if source.text[end:].lstrip().startswith(f"{behind}") or source.read(node).endswith(behind):
        raise UnsureError(Message("{code} stands there already", {"code": behind}))
    if source.atom(node) == source.read(node):
        return [TextEdit(end, end, behind)]
    if stands:  # (a + b).log(): the parenthesis is there
        end += source.text[end:].index(")") + 1
        return [TextEdit(end, end, behind)]
    return [TextEdit(start, start, "("), TextEdit(end, end, f"){behind}")]


GUARDS: Mapping[str, Callable[[Places, OperationUse, str], list[TextEdit]]] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt"), _above),
    **dict.fromkeys(("acos", "asin", "atanh"), _inside),
    **dict.fromkeys(("std", "norm"), _spread),
    "pow": _root,
    "div": _divided,
}
