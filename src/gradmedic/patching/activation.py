"""Another activation where one is written: as a module, a function, a method or a power."""

import ast
from collections.abc import Mapping
from typing import ClassVar

from gradmedic.finding import Message
from gradmedic.patching import Edit, Order
from gradmedic.patching.insert import inserted
from gradmedic.patching.places import Places
from gradmedic.patching.source import Change, Source, UnsureError
from gradmedic.patching.training import Training
from gradmedic.patching.uses import Form, Use
from gradmedic.patching.words import Words
from gradmedic.placing import Where, sections

F = "torch.nn.functional"
KNOWN: Mapping[str, tuple[str, str]] = {
    "relu": ("ReLU", "torch.relu"),
    "leaky_relu": ("LeakyReLU", f"{F}.leaky_relu"),
    "elu": ("ELU", f"{F}.elu"),
    "selu": ("SELU", f"{F}.selu"),
    "gelu": ("GELU", f"{F}.gelu"),
    "silu": ("SiLU", f"{F}.silu"),
    "mish": ("Mish", f"{F}.mish"),
    "tanh": ("Tanh", "torch.tanh"),
    "sigmoid": ("Sigmoid", "torch.sigmoid"),
    "softsign": ("Softsign", f"{F}.softsign"),
    "identity": ("Identity", ""),
}
"""The module in torch.nn, and the function; the identity is the operand itself."""
METHODS = ("relu", "tanh", "sigmoid")
"""Those that tensors have as methods."""


class Activation(Edit):
    """Swaps activations where they are written, and has the weights before them start accordingly."""

    name: ClassVar[str] = "activation"
    remedies: ClassVar[tuple[str, ...]] = ("swap-activation",)

    def changes(self, source: Source, order: Order) -> list[Change]:
        sites, to = order.words("sites"), order.text("to", "relu")
        found = swapped(Places(source), sites, to)
        if not order.words("weights"):
            return found
        starts = [text for where, text in sections(order.code) if where is Where.MODEL]
        if not starts:
            raise UnsureError(Message("how its weights start cannot be told from its code"))
        return [*found, *inserted(Training(source), f"# {Where.MODEL.value}\n{starts[0]}")]


def swapped(places: Places, sites: list[str], to: str) -> list[Change]:
    """Another activation at all of these sites."""
    if to not in KNOWN:
        raise UnsureError(Message("it is not known how {name} is written", {"name": to}))
    return [change for use in places.uses(sites) for change in swapped_use(places.words, use, to)]


def swapped_use(words: Words, use: Use, to: str) -> list[Change]:
    """Another activation in one place."""
    module, function = KNOWN[to]
    if use.form in (Form.MODULE, Form.CLASS):
        return _module(words, use, f"torch.nn.{module}")
    if use.operand is None or isinstance(words.source.parents[use.node], ast.Expr):
        raise UnsureError(Message("line {line} works in place", {"line": use.node.lineno}))
    if not function:
        return around(words.source, use, *parentheses(words.source, use.operand))
    if use.form is Form.METHOD and to in METHODS:
        return _method(words.source, use, to)
    return _function(words, use, _named(words, use, function))


def _named(words: Words, use: Use, function: str) -> str:
    """The function in the words that the script has used here: `F.sigmoid` becomes `F.relu`."""
    func = use.node.func if isinstance(use.node, ast.Call) else None
    if isinstance(func, ast.Attribute) and words.torch(func.value) == F:
        return f"{words.source.read(func.value)}.{function.rpartition('.')[2]}"
    return words.spelled(function)


def _module(words: Words, use: Use, full: str) -> list[Change]:
    source, node = words.source, use.node
    func = node.func if isinstance(node, ast.Call) else node
    name = words.spelled(full)
    if isinstance(func, ast.Attribute) and words.torch(func.value) == "torch.nn":
        name = f"{source.read(func.value)}.{full.rpartition('.')[2]}"
    found = [source.replace(func, name), *words.needed(name)]
    if isinstance(node, ast.Call) and (node.args or node.keywords):
        found.append(_emptied(source, source.text.index("(", source.span(func)[1]) + 1, source.span(node)[1] - 1))
    return found


def _method(source: Source, use: Use, to: str) -> list[Change]:
    """`x.sigmoid()` becomes `x.relu()`; what else the method was given goes."""
    call: ast.Call = use.node  # type: ignore[assignment]
    end = source.span(call.func)[1]
    name = Change(end - len(call.func.attr), end, to)  # type: ignore[attr-defined]
    if not (call.args or call.keywords):
        return [name]
    return [name, _emptied(source, source.text.index("(", end) + 1, source.span(call)[1] - 1)]


def _function(words: Words, use: Use, name: str) -> list[Change]:
    """A function of the operand in the place of whatever was computed with it."""
    source = words.source
    if use.form is Form.FUNCTION and isinstance(use.node, ast.Call) and use.operand in use.node.args[:1]:
        found = [source.replace(use.node.func, name)]
        if len(use.node.args) + len(use.node.keywords) > 1:
            found.append(_emptied(source, source.span(use.operand)[1], source.span(use.node)[1] - 1))
        return [*found, *words.needed(name)]
    return [*around(source, use, f"{name}(", ")"), *words.needed(name)]


def around(source: Source, use: Use, before: str, after: str) -> list[Change]:
    """The operand of a use, with other text around it; what is inside of it may be changed too."""
    (start, end), (first, last) = source.span(use.node), source.span(use.operand or use.node)
    if "#" in source.text[start:first] + source.text[last:end]:
        raise UnsureError(Message("a comment stands among the arguments of what would be changed"))
    return [Change(start, first, before), Change(last, end, after)]


def parentheses(source: Source, operand: ast.expr) -> tuple[str, str]:
    """What an expression needs around it to stand alone."""
    return ("", "") if source.atom(operand) == source.read(operand) else ("(", ")")


def _emptied(source: Source, start: int, end: int) -> Change:
    """Nothing in the place of arguments; a comment among them is not thrown away."""
    if "#" in source.text[start:end]:
        raise UnsureError(Message("a comment stands among the arguments of what would be changed"))
    return Change(start, end, "")
