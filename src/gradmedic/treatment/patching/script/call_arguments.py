"""The arguments of a call: one more, one less, another value."""

import ast

from gradmedic.base.messages import Message
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError


def with_argument(source: ParsedScript, call: ast.Call, text: str) -> TextEdit:
    """One more argument, behind the last one."""
    last = max(source.span(one)[1] for one in given(call))
    _refuse_odd(source, last, source.span(call)[1] - 1, call)
    return TextEdit(last, last, f", {text}")


def without(source: ParsedScript, call: ast.Call, one: ast.expr | ast.keyword) -> TextEdit:
    """An argument less; it is not the first one."""
    before = max(source.span(other)[1] for other in given(call) if source.span(other)[1] < source.span(one)[0])
    start, end = source.span(one)
    _refuse_odd(source, before, start, call)
    return TextEdit(before, end, "")


def given(call: ast.Call) -> list[ast.expr | ast.keyword]:
    """All arguments of a call."""
    return [*call.args, *call.keywords]


def refuse_unpacked(call: ast.Call) -> None:
    """Refuse a call whose arguments are not all written out."""
    if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
        raise UnsureError(Message("line {line} does not write out its arguments", {"line": call.lineno}))


def _refuse_odd(source: ParsedScript, start: int, end: int, call: ast.Call) -> None:
    """Refuse where more than a comma and space lies between two arguments: a comment, or a parenthesis."""
    if source.text[start:end].replace(",", "", 1).strip() or start > end:
        raise UnsureError(Message("line {line} is written in an unusual way", {"line": call.lineno}))
