"""Lists of layers that a script builds up: `layers += [nn.Linear(a, b), nn.ReLU()]` in a loop."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradmedic.treatment.patching.script.source import Function, ParsedScript
from gradmedic.treatment.patching.script.training_loop import method

LOOPS = (ast.For, ast.While)


@dataclass(frozen=True)
class AppendedEntries:
    """Entries that are added at one place; `repeated` ones as often as a loop runs."""

    entries: tuple[ast.expr, ...]
    loop: ast.AST | None = None


def parts_of(source: ParsedScript, name: str, at: ast.AST) -> list[AppendedEntries] | None:
    """What a list such as `layers` or `self.blocks` consists of, by the statements around `at`; None if not plain."""
    parts: list[AppendedEntries] = []
    for node in _uses(source, name, at):
        part = _added(source, node, name, at)
        if part is None:
            return None
        if parts and part.loop is not None and parts[-1].loop is part.loop:
            part = AppendedEntries((*parts.pop().entries, *part.entries), part.loop)
        parts.append(part)
    return [part for part in parts if part.entries] if parts else None


def written_parts(source: ParsedScript, args: Sequence[ast.expr]) -> list[AppendedEntries] | None:
    """What a Sequential or a ModuleList consists of, by its arguments; None where that is not plain."""
    parts: list[AppendedEntries] = []
    for arg in args:
        inner = arg.value if isinstance(arg, ast.Starred) else arg
        is_whole = isinstance(arg, ast.Starred) or len(args) == 1
        if is_whole and isinstance(inner, ast.ListComp | ast.GeneratorExp):
            found: list[AppendedEntries] | None = _turns(inner)
        elif is_whole and isinstance(inner, ast.List | ast.Tuple):
            found = _fixed(inner.elts)
        elif is_whole and isinstance(inner, ast.Name | ast.Attribute):
            found = parts_of(source, source.read(inner), inner)
        else:
            found = None if isinstance(arg, ast.Starred) else _fixed([arg])
        if found is None:
            return None
        parts += found
    return parts


def _fixed(entries: Sequence[ast.expr]) -> list[AppendedEntries]:
    return [AppendedEntries(tuple(entries))]


def _turns(made: ast.ListComp | ast.GeneratorExp) -> list[AppendedEntries] | None:
    """The entries of a comprehension: all are made alike, or take turns."""
    last = made.generators[-1]
    if not isinstance(made.elt, ast.Name) or not isinstance(last.target, ast.Name) or made.elt.id != last.target.id:
        return None if isinstance(made.elt, ast.Name) else [AppendedEntries((made.elt,), made)]
    turns = _written(last.iter)
    if turns is None or last.ifs or any(isinstance(one, ast.Starred) for one in turns):
        return None
    return [AppendedEntries(tuple(turns), made)]


def is_extended(source: ParsedScript, name: str, at: ast.AST) -> bool:
    """True where something is added to a list behind the place where it is made."""
    statements = [source.statement(node) for node in _uses(source, name, at)] if name else []
    calls = [one.value for one in statements if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)]
    adds = [call for call in calls if method(call) in ("append", "extend")]
    return bool(adds) or any(isinstance(one, ast.AugAssign) for one in statements)


def entry(parts: Sequence[AppendedEntries], index: int, total: int | None) -> ast.expr | None:
    """The expression that makes one entry of a list of `total` entries; None where it cannot be told."""
    start = 0
    for at, part in enumerate(parts):
        size = len(part.entries)
        if part.loop is not None:
            behind = parts[at + 1 :]
            rest = sum(len(other.entries) for other in behind)
            if any(other.loop is not None for other in behind) or (rest and total is None):
                return None
            size = (total - rest - start if total is not None else index + 1) if rest else index - start + 1
            if rest and size % len(part.entries):
                return None
        if index < start + size:
            return part.entries[(index - start) % len(part.entries)]
        start += size
    return None


def _uses(source: ParsedScript, name: str, at: ast.AST) -> Iterator[ast.AST]:
    """Where a name occurs in the function, or the script, in which `at` stands; but for `at` itself."""
    scope, inside = source.scope(at), {id(node) for node in ast.walk(at)}
    for node in source.nodes(scope):
        is_name = isinstance(node, ast.Name | ast.Attribute) and source.read(node) == name
        if is_name and source.scope(node) is scope and id(node) not in inside:
            yield node


def _added(source: ParsedScript, node: ast.AST, name: str, at: ast.AST) -> AppendedEntries | None:
    """What a statement adds to the list; None where it does something else with it."""
    statement = source.statement(node)
    values = _values(source, node, statement)
    if values is None or any(isinstance(one, ast.Starred) for one in values):
        return None
    around = [one for one in source.around(statement) if isinstance(one, ast.stmt)]
    inner = around[: next((i for i, one in enumerate(around) if isinstance(one, Function)), len(around))]
    loops = [one for one in inner if isinstance(one, LOOPS)]
    if len(loops) > 1 or len(inner) > len(loops) or (loops and isinstance(statement, ast.Assign)):
        return None
    return AppendedEntries(tuple(values), loops[0] if loops else None)


def _values(source: ParsedScript, node: ast.AST, statement: ast.stmt) -> list[ast.expr] | None:
    """The entries in `x = [...]`, `x = nn.ModuleList()`, `x += [...]`, `x.append(...)`, `x.extend([...])`."""
    if isinstance(statement, ast.Assign) and statement.targets == [node]:
        value = statement.value
        if isinstance(value, ast.Call) and source.read(value.func).endswith("ModuleList"):
            return _written(value.args[0]) if value.args else []
        return _written(value)
    if isinstance(statement, ast.AugAssign) and statement.target is node and isinstance(statement.op, ast.Add):
        return _written(statement.value)
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and len(call.args) == 1 and source.parents[node] is call.func:
        return {"append": call.args, "extend": _written(call.args[0])}.get(method(call))
    return None


def _written(value: ast.expr) -> list[ast.expr] | None:
    return value.elts if isinstance(value, ast.List | ast.Tuple) else None
