"""Shortcuts around the blocks that a loop goes through."""

import ast
import re
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.literals import shown
from gradmedic.treatment.patching.script.module_construction import Builds
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError


class Shortcut(Edit):
    """Adds what goes into a block to what comes out: `x = block(x)` becomes `x = x + block(x)`."""

    name: ClassVar[str] = "shortcut"
    remedies: ClassVar[tuple[str, ...]] = ("residual",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        branch = order.number("branch", 1.0)
        return [change for name in order.words("modules") for change in _added(source, name, branch)]


def _added(source: ParsedScript, name: str, branch: float) -> list[TextEdit]:
    """In the loop over `self.blocks` for the modules blocks.*; else in the one class that they are of."""
    stem = re.fullmatch(r"(.*)\.\*", name)
    if stem is None:
        raise UnsureError(Message("it is not plain where the script runs {name}", {"name": name}))
    loops = [n for n in source.nodes() if isinstance(n, ast.For) and source.read(n.iter) == f"self.{stem[1]}"]
    runs = [node for loop in loops for node in source.nodes(loop) if _is_run(node, loop.target)]
    if len(runs) == 1 and isinstance(runs[0], ast.Assign):
        return [_with_branch(source, runs[0], branch)]
    return _in_class(source, stem[1], branch)


def _in_class(source: ParsedScript, path: str, branch: float) -> list[TextEdit]:
    """In the forward method of the class that all entries of a list are of, and nothing else is."""
    builds = Builds(ImportedNames(source))
    made = builds.entries(path) or []
    kinds = {id(kind): kind for one in made if (kind := builds.kind(one)) is not None}
    calls = [
        call
        for call in source.calls()
        if isinstance(call.func, ast.Name) and call.func.id in {k.name for k in kinds.values()}
    ]
    if len(kinds) != 1 or len(calls) != len(made):
        raise UnsureError(Message("it is not plain where the script runs {name}", {"name": f"{path}.*"}))
    [kind] = kinds.values()
    forward = next((one for one in kind.body if isinstance(one, ast.FunctionDef) and one.name == "forward"), None)
    return _returned(source, forward, branch)


def _returned(source: ParsedScript, forward: ast.FunctionDef | None, branch: float) -> list[TextEdit]:
    """`return y` becomes `return x + y`, where x is the argument, and still what it was."""
    returns = [node for node in ast.walk(forward) if isinstance(node, ast.Return)] if forward is not None else []
    if forward is None or len(returns) != 1 or returns[0].value is None or len(forward.args.args) != 2:
        raise UnsureError(Message("it is not plain what a block puts out"))
    x, value = forward.args.args[1].arg, returns[0].value
    stores = [n for n in ast.walk(forward) if isinstance(n, ast.Name) and n.id == x and isinstance(n.ctx, ast.Store)]
    if stores or source.read(value).startswith(f"{x} + "):
        raise UnsureError(Message("it is not plain what a block puts out"))
    (start, end), factor = source.span(value), "" if branch == 1.0 else f"{shown(branch)} * "
    if source.atom(value) == source.read(value):
        return [TextEdit(start, start, f"{x} + {factor}")]
    return [TextEdit(start, start, f"{x} + {factor}("), TextEdit(end, end, ")")]


def _is_run(node: ast.AST, block: ast.expr) -> bool:
    """True for `x = block(x)`, and for `x = checkpoint(block, x)`."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call) or not isinstance(block, ast.Name):
        return False
    target = node.targets[0]
    names = [one.id for one in (node.value.func, *node.value.args) if isinstance(one, ast.Name)]
    return block.id in names and isinstance(target, ast.Name) and target.id in names[1:]


def _with_branch(source: ParsedScript, run: ast.Assign, branch: float) -> TextEdit:
    start = source.span(run.value)[0]
    factor = "" if branch == 1.0 else f"{shown(branch)} * "
    return TextEdit(start, start, f"{source.read(run.targets[0])} + {factor}")
