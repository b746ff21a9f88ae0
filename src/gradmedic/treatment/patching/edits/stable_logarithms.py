"""Logarithms of probabilities in one step: `torch.log(torch.softmax(x, dim=1))` becomes a log-softmax."""

import ast
from collections.abc import Mapping
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.activation import around
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse, uses
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError

INSIDE: Mapping[str, tuple[str, str]] = {
    "softmax": ("log_softmax", "log_softmax"),
    "sigmoid": ("torch.nn.functional.logsigmoid", ""),
    "sum": ("logsumexp", "logsumexp"),
}
"""The function that is the logarithm of another one, and its name as a method."""


class Stable(Edit):
    """Joins a logarithm with what it is taken of: a softmax, a sigmoid, a sum of exponentials, be it in a variable."""

    name: ClassVar[str] = "stable"
    remedies: ClassVar[tuple[str, ...]] = ("stable-logarithms",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        words = ImportedNames(source)
        inner = [use for op in INSIDE for use in uses(words, op) if use.is_call and _is_whole(words, use)]
        found = [change for use in uses(words, "log") for change in _joined(words, use, inner)]
        if not found:
            raise UnsureError(Message("no logarithm of a softmax or a sigmoid is found"))
        return found


def _is_whole(words: ImportedNames, use: OperationUse) -> bool:
    """True for softmax and sigmoid, and for the sum of exponentials along a dimension."""
    if use.op != "sum":
        return True
    exps = [one for one in uses(words, "exp") if one.node is use.operand and one.operand is not None]
    return (
        bool(exps)
        and use.form is Form.METHOD
        and isinstance(use.node, ast.Call)
        and bool(use.node.args or use.node.keywords)
    )


def _joined(words: ImportedNames, log: OperationUse, inner: list[OperationUse]) -> list[TextEdit]:
    """One function in the place of two; nothing where the operand is something else."""
    nested = [use for use in inner if use.node is log.operand]
    if nested:
        return [*around(words.source, log, "", ""), *_logarithm(words, nested[0])]
    if not isinstance(log.operand, ast.Name):
        return []
    held = [use for use in inner if _name_of(words.source, use) == log.operand.id]
    if not held:
        return []
    return _renamed(words, log, held, log.operand.id)


def _name_of(source: ParsedScript, use: OperationUse) -> str:
    """The variable that is given the result of a use, and nothing else."""
    parent = source.parents[use.node]
    is_plain = isinstance(parent, ast.Assign) and len(parent.targets) == 1
    target = parent.targets[0] if is_plain and isinstance(parent, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else ""


def _renamed(words: ImportedNames, log: OperationUse, held: list[OperationUse], name: str) -> list[TextEdit]:
    """The variable holds the logarithm, under a name that says so."""
    source, scope = words.source, words.source.scope(log.node)
    inside = [n for n in ast.walk(scope) if isinstance(n, ast.Name) and n.id == name]
    fresh = f"log_{name}"
    if len(held) != 1 or len(inside) != 2 or fresh in words.taken or source.scope(held[0].node) is not scope:
        raise UnsureError(Message("{name} is used for more than its logarithm", {"name": name}))
    [target] = [node for node in inside if isinstance(node.ctx, ast.Store)]
    text = [source.replace(target, fresh), *_logarithm(words, held[0])]
    return [*text, source.replace(log.node, fresh)]


def _logarithm(words: ImportedNames, use: OperationUse) -> list[TextEdit]:
    """The logarithm of a function, with the arguments of that function."""
    call: ast.Call = use.node  # type: ignore[assignment]
    function, method = INSIDE[use.op]
    if use.op == "sum":
        return _total(words, call)
    if use.form is Form.METHOD and method and isinstance(call.func, ast.Attribute):
        end = words.source.span(call.func)[1]
        return [TextEdit(end - len(call.func.attr), end, method)]
    if use.form is Form.METHOD or use.op == "sigmoid":
        name = words.spelled(function)
        return [*around(words.source, use, f"{name}(", ")"), *words.needed(name)]
    if isinstance(call.func, ast.Attribute):
        end = words.source.span(call.func)[1]
        return [TextEdit(end - len(call.func.attr), end, function)]
    name = words.spelled(f"torch.{function}")
    return [words.source.replace(call.func, name), *words.needed(name)]


def _total(words: ImportedNames, total: ast.Call) -> list[TextEdit]:
    """`torch.exp(x).sum(1)` as `x.logsumexp(1)`."""
    source = words.source
    [exp] = [
        one for one in uses(words, "exp") if isinstance(total.func, ast.Attribute) and one.node is total.func.value
    ]
    assert exp.operand is not None
    bare = source.atom(exp.operand) == source.read(exp.operand)
    end = source.span(total.func)[1]
    return [*around(source, exp, *("", "") if bare else ("(", ")")), TextEdit(end - 3, end, "logsumexp")]
