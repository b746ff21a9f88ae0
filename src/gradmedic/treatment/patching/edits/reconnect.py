"""A graph that is joined where the script cuts it: detach, .data and no_grad at a known line."""

import ast
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.source import Function, ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training, method


class Cut(Edit):
    """Takes away what cuts the gradient off: at the lines that are told, or behind the module that is named."""

    name: ClassVar[str] = "cut"
    remedies: ClassVar[tuple[str, ...]] = ("reconnect",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training, lines = Training(source), order.words("lines")
        cuts = [*_detached(source), *_made_anew(training), *_without_gradient(training)]
        if lines:
            wanted = _lines(source, lines)
            chosen = [node for node in cuts if wanted.intersection(_covered(node))]
        else:
            chosen = [node for node in cuts if _names(source, node, order.words("parameters"))]
        if len(chosen) != max(1, len(lines)):
            raise UnsureError(Message("it is not plain where the graph is cut"))
        return [change for node in chosen for change in _joined(source, node)]


def _detached(source: ParsedScript) -> list[ast.AST]:
    """`x.detach()` and `x.data`, where they are read."""
    calls = [call for call in source.calls() if method(call) == "detach" and not call.args]
    reads = [node for node in source.nodes() if isinstance(node, ast.Attribute) and node.attr == "data"]
    return [*calls, *(n for n in reads if isinstance(n.ctx, ast.Load) and not _is_named(source, n))]


def _made_anew(training: Training) -> list[ast.AST]:
    """`torch.tensor(x.tolist())`, and from_numpy: the same numbers, without what they were made of."""
    names = ("torch.tensor", "torch.as_tensor", "torch.from_numpy")
    calls = [call for call in training.source.calls() if training.words.torch(call.func) in names]
    return [call for call in calls if len(call.args) == 1 and not call.keywords and _held(call) is not call.args[0]]


def _held(call: ast.Call) -> ast.expr:
    """The tensor that is taken out of torch in a call's argument, and put back by it."""
    node = call.args[0]
    while isinstance(node, ast.Call) and method(node) in HANDED_OUT and not node.args:
        node = node.func.value  # type: ignore[attr-defined]
    return node


HANDED_OUT = ("tolist", "numpy", "cpu", "detach", "clone")


def _is_named(source: ParsedScript, node: ast.Attribute) -> bool:
    """True for `weight.data.fill_(0)` and the like, which is no part of a graph."""
    return isinstance(source.parents[node], ast.Attribute)


def _without_gradient(training: Training) -> list[ast.AST]:
    """`with torch.no_grad():` blocks, each with nothing else in its head."""
    return [
        node
        for node in training.source.nodes()
        if isinstance(node, ast.With) and len(node.items) == 1 and _is_no_grad(training, node.items[0].context_expr)
    ]


def _is_no_grad(training: Training, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and training.words.torch(node.func) in ("torch.no_grad", "torch.inference_mode")


def _lines(source: ParsedScript, lines: Sequence[str]) -> set[int]:
    found = [line.rpartition(":") for line in lines]
    if any(PurePath(file).name != PurePath(source.name).name for file, _, _ in found):
        raise UnsureError(Message("{site} stands in another file", {"site": ", ".join(lines)}))
    return {int(number) for _, _, number in found}


def _covered(node: ast.AST) -> range:
    """The lines that a cut may be told by: its own; of a block, those of what is in it."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)  # type: ignore[attr-defined]


def _names(source: ParsedScript, node: ast.AST, parameters: Sequence[str]) -> bool:
    """True where what is cut off is the result of the module that holds the parameters."""
    owners = {re.split(r"[.\[]", name)[0] for name in parameters}
    inner = _cut_off(source, node)
    called = [call.func for call in source.calls(inner)]
    is_named = [isinstance(f, ast.Attribute | ast.Name) and source.read(f).rpartition(".")[2] in owners for f in called]
    return any(is_named) and _is_trained(source, node)


def _cut_off(source: ParsedScript, node: ast.AST) -> ast.AST:
    """The expression, or one statement, that a cut takes the gradient from; for a variable what it was given last."""
    if isinstance(node, ast.With):
        return node.body[0] if len(node.body) == 1 else node
    inner = node.value if isinstance(node, ast.Attribute) else node.func.value if _is_detach(node) else _held(node)  # type: ignore[attr-defined,arg-type]
    if not isinstance(inner, ast.Name):
        return inner
    block = source.block(source.statement(node))
    before = block[: block.index(source.statement(node))]
    given = [one.value for one in before if isinstance(one, ast.Assign) and source.read(one.targets[0]) == inner.id]
    return given[-1] if given else inner


def _is_detach(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and method(node) == "detach"


def _is_trained(source: ParsedScript, node: ast.AST) -> bool:
    """True in a forward method, and in a loop with a backward pass: evaluation is meant to have no graph."""
    for one in source.around(node):
        if isinstance(one, Function):
            return getattr(one, "name", "") == "forward"
        if isinstance(one, ast.For | ast.While) and any(method(call) == "backward" for call in source.calls(one)):
            return True
    return False


def _joined(source: ParsedScript, node: ast.AST) -> list[TextEdit]:
    if isinstance(node, ast.With):
        return _opened(source, node)
    if isinstance(node, ast.Call) and not _is_detach(node):
        return _taken(source, node)
    value: ast.expr = node.func.value if isinstance(node, ast.Call) else node.value  # type: ignore[attr-defined]
    start, end = source.span(value)[1], source.span(node)[1]
    rest = source.text[start:end]
    if not re.fullmatch(r"\s*\)*\s*\.\s*(detach\s*\(\s*\)|data)", rest):
        raise UnsureError(Message("a comment stands among the arguments of what would be changed"))
    return [TextEdit(start + rest.rindex("."), end, "")]


def _taken(source: ParsedScript, made: ast.Call) -> list[TextEdit]:
    """The tensor itself in the place of the one that is made anew; no line at all where it would be given to itself."""
    tensor, statement = source.read(_held(made)), source.statement(made)
    if isinstance(statement, ast.Assign) and statement.value is made and source.read(statement.targets[0]) == tensor:
        return [source.removed(statement, r"(#.*)?")]
    return [source.replace(made, source.atom(_held(made)))]


def _opened(source: ParsedScript, node: ast.With) -> list[TextEdit]:
    """The block without its head, one step further out."""
    first = node.body[0]
    if not (source.begins_line(node) and all(source.begins_line(one) for one in node.body)):
        raise UnsureError(Message("line {line} holds more than one statement", {"line": node.lineno}))
    outer, inner = source.indent(node), source.indent(first)
    if any(isinstance(one, ast.Constant) and "\n" in str(one.value) for one in ast.walk(node)):
        raise UnsureError(Message("a text of several lines stands in the block of line {line}", {"line": node.lineno}))
    head = TextEdit(source.at(node.lineno, 0), source.at(first.lineno, 0), "")
    rows = range(first.lineno, (node.end_lineno or first.lineno) + 1)
    steps = [source.at(row, 0) for row in rows if source.lines[row - 1].startswith(inner)]
    if "#" in source.text[head.start : head.end]:
        raise UnsureError(Message("a comment stands among the arguments of what would be changed"))
    return [head, *(TextEdit(at, at + len(inner), outer) for at in steps)]
