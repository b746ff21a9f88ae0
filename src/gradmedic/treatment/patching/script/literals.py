"""A number in a script, and another one in its place: where it is written, or where it is given its name."""

import ast

from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit
from gradmedic.treatment.patching.script.training_loop import method


def times(source: ParsedScript, node: ast.expr, factor: float) -> TextEdit:
    """The number behind an expression, multiplied by a factor.

    A literal is changed where it stands; so is a constant of the script, or the default of an argument
    on the command line, that is used here and nowhere else. Anything else is multiplied where it is used.
    """
    written = literal(node) or _constant(source, node) or _default(source, node)
    if written is not None:
        return source.replace(written, shown(value(written) * factor))
    return source.replace(node, f"{source.atom(node)} * {shown(factor)}")


def literal(node: ast.expr | None) -> ast.expr | None:
    """The expression if it is a number written out."""
    is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    return node if is_number else None


def value(node: ast.expr) -> float:
    """The number of a literal."""
    return float(ast.literal_eval(node))


def shown(number: float) -> str:
    """A number as one would write it: six digits at the most."""
    return repr(float(f"{number:.6g}"))


def _constant(source: ParsedScript, node: ast.expr) -> ast.expr | None:
    """The literal that a name of the whole script is given once, if this is all that it is used for."""
    if not isinstance(node, ast.Name):
        return None
    everywhere = [one for one in ast.walk(source.tree) if isinstance(one, ast.Name) and one.id == node.id]
    stores = [one for one in everywhere if isinstance(one.ctx, ast.Store)]
    if len(everywhere) != 2 or len(stores) != 1:
        return None
    statement = source.parents[stores[0]]
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or source.parents[statement] is not source.tree:
        return None
    is_alone = isinstance(statement, ast.AnnAssign) or statement.targets == stores
    return literal(statement.value) if is_alone else None


def _default(source: ParsedScript, node: ast.expr) -> ast.expr | None:
    """The literal default of an argument on the command line that was not given and is used nowhere else."""
    if not isinstance(node, ast.Attribute):
        return None
    uses = [one for one in ast.walk(source.tree) if isinstance(one, ast.Attribute) and one.attr == node.attr]
    found = [call for call in source.calls() if method(call) == "add_argument" and _destination(call) == node.attr]
    if len(uses) != 1 or len(found) != 1 or f'"{node.attr}"' in source.text or f"'{node.attr}'" in source.text:
        return None
    flags = [str(one.value) for one in found[0].args if isinstance(one, ast.Constant)]
    if any(_may_be(arg, flag) for arg in source.args for flag in flags):
        return None
    return literal(next((one.value for one in found[0].keywords if one.arg == "default"), None))


def _may_be(arg: str, flag: str) -> bool:
    """True where an argument may give this flag: `--rate=1`, `--ra 1`, `-r1`."""
    if arg.startswith("--"):
        return flag.startswith(arg.partition("=")[0])
    return arg.startswith("-") and not flag.startswith("--") and arg.startswith(flag)


def _destination(call: ast.Call) -> str:
    """The attribute that an argument on the command line becomes."""
    named = [one.value.value for one in call.keywords if one.arg == "dest" and isinstance(one.value, ast.Constant)]
    longs = [str(one.value) for one in call.args if isinstance(one, ast.Constant) and str(one.value).startswith("--")]
    return str(named[0]) if named else (longs[0].removeprefix("--").replace("-", "_") if longs else "")
