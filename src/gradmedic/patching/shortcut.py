"""Shortcuts around the blocks that a loop goes through."""

import ast
import re
from typing import ClassVar

from gradmedic.finding import Message
from gradmedic.patching import Edit, Order
from gradmedic.patching.numbers import shown
from gradmedic.patching.source import Change, Source, UnsureError


class Shortcut(Edit):
    """Adds what goes into a block to what comes out: `x = block(x)` becomes `x = x + block(x)`."""

    name: ClassVar[str] = "shortcut"
    remedies: ClassVar[tuple[str, ...]] = ("residual",)

    def changes(self, source: Source, order: Order) -> list[Change]:
        branch = order.number("branch", 1.0)
        return [change for name in order.words("modules") for change in _added(source, name, branch)]


def _added(source: Source, name: str, branch: float) -> list[Change]:
    """The loop over `self.blocks`, for the modules blocks.*."""
    stem = re.fullmatch(r"(\w+)\.\*", name)
    loops = [n for n in source.nodes() if isinstance(n, ast.For) and stem and source.read(n.iter) == f"self.{stem[1]}"]
    if len(loops) != 1 or not isinstance(loops[0].target, ast.Name):
        raise UnsureError(Message("it is not plain where the script runs {name}", {"name": name}))
    runs = [
        node for node in source.nodes(loops[0]) if isinstance(node, ast.Assign) and _is_run(node, loops[0].target.id)
    ]
    if len(runs) != 1:
        raise UnsureError(Message("it is not plain where the script runs {name}", {"name": name}))
    [run] = runs
    return [_with_branch(source, run, branch)]


def _is_run(node: ast.Assign, block: str) -> bool:
    """True for `x = block(x)`, and for `x = checkpoint(block, x)`."""
    call, target = node.value, node.targets[0]
    if not isinstance(call, ast.Call) or not isinstance(target, ast.Name) or len(node.targets) != 1:
        return False
    names = [one.id for one in (call.func, *call.args) if isinstance(one, ast.Name)]
    return block in names and target.id in names[1:]


def _with_branch(source: Source, run: ast.Assign, branch: float) -> Change:
    start = source.span(run.value)[0]
    factor = "" if branch == 1.0 else f"{shown(branch)} * "
    return Change(start, start, f"{source.read(run.targets[0])} + {factor}")
