"""Another activation where one is written: as a module, a function, a method or a power."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.code_places import CodePlace, sections
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.insert import inserted
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.layer_starts import by_layer
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training

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
    "celu": ("CELU", f"{F}.celu"),
    "hardswish": ("Hardswish", f"{F}.hardswish"),
    "hardtanh": ("Hardtanh", f"{F}.hardtanh"),
    "relu6": ("ReLU6", f"{F}.relu6"),
    "softplus": ("Softplus", f"{F}.softplus"),
    "identity": ("Identity", ""),
}
"""The module in torch.nn, and the function; the identity is the operand itself."""
METHODS = ("relu", "tanh", "sigmoid")
"""Those that tensors have as methods."""


class ActivationEdit(Edit):
    """Swaps activations where they are written, and has the weights before them start accordingly."""

    name: ClassVar[str] = "activation"
    remedies: ClassVar[tuple[str, ...]] = ("swap-activation",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        sites, to = order.words("sites"), order.text("to", "relu")
        found = swapped(Places(source), sites, to)
        if not order.words("weights"):
            return found
        starts = [text for where, text in sections(order.code) if where is CodePlace.MODEL]
        if not starts:
            raise UnsureError(Message("how its weights start cannot be told from its code"))
        start = by_layer(source, order.words("weights"), f"# {CodePlace.MODEL.value}\n{starts[0]}")
        return [*found, *inserted(Training(source), start)]


@dataclass(frozen=True)
class Target:
    """The activation that is wanted: its module, its function, and the arguments of both, such as "0.2"."""

    name: str
    module: str
    function: str
    arguments: str

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read "relu" or "leaky_relu(0.2)"."""
        name, _, arguments = text.partition("(")
        if name not in KNOWN:
            raise UnsureError(Message("it is not known how {name} is written", {"name": text}))
        return cls(name, *KNOWN[name], arguments.rstrip(") "))


def swapped(places: Places, sites: list[str], to: str) -> list[TextEdit]:
    """Another activation at all of these sites."""
    target = Target.parse(to)
    return [change for use in places.uses(sites) for change in swapped_use(places.words, use, target)]


def swapped_use(words: ImportedNames, use: OperationUse, to: Target) -> list[TextEdit]:
    """Another activation in one place."""
    if use.form in (Form.MODULE, Form.CLASS):
        return _module(words, use, to)
    if use.operand is None or isinstance(words.source.parents[use.node], ast.Expr):
        raise UnsureError(Message("line {line} works in place", {"line": use.node.lineno}))
    if not to.function:
        return around(words.source, use, *parentheses(words.source, use.operand))
    if use.form is Form.METHOD and to.name in METHODS:
        return _method(words.source, use, to)
    return _function(words, use, to)


def _module(words: ImportedNames, use: OperationUse, to: Target) -> list[TextEdit]:
    source, node = words.source, use.node
    func = node.func if isinstance(node, ast.Call) else node
    name = words.spelled(f"torch.nn.{to.module}")
    if isinstance(func, ast.Attribute) and words.torch(func.value) == "torch.nn":
        name = f"{source.read(func.value)}.{to.module}"
    found = [source.replace(func, name), *words.needed(name)]
    if isinstance(node, ast.Call):
        start = source.text.index("(", source.span(func)[1]) + 1
        return [*found, *_filled(source, start, source.span(node)[1] - 1, to.arguments)]
    if to.arguments:
        raise UnsureError(Message("line {line} is written in an unusual way", {"line": node.lineno}))
    return found


def _method(source: ParsedScript, use: OperationUse, to: Target) -> list[TextEdit]:
    """`x.sigmoid()` becomes `x.relu()`; what else the method was given goes."""
    call: ast.Call = use.node  # type: ignore[assignment]
    end = source.span(call.func)[1]
    name = TextEdit(end - len(call.func.attr), end, to.name)  # type: ignore[attr-defined]
    return [name, *_filled(source, source.text.index("(", end) + 1, source.span(call)[1] - 1, "")]


def _function(words: ImportedNames, use: OperationUse, to: Target) -> list[TextEdit]:
    """A function of the operand in the place of whatever was computed with it."""
    source, name = words.source, _named(words, use, to.function)
    rest = f", {to.arguments}" if to.arguments else ""
    if use.form is Form.FUNCTION and isinstance(use.node, ast.Call) and use.operand in use.node.args[:1]:
        found = [source.replace(use.node.func, name), *words.needed(name)]
        if rest or len(use.node.args) + len(use.node.keywords) > 1:
            found += _filled(source, source.span(use.operand)[1], source.span(use.node)[1] - 1, rest)
        return found
    return [*around(source, use, f"{name}(", f"{rest})"), *words.needed(name)]


def _named(words: ImportedNames, use: OperationUse, function: str) -> str:
    """The function in the words that the script has used here: `F.sigmoid` becomes `F.relu`."""
    func = use.node.func if isinstance(use.node, ast.Call) else None
    if isinstance(func, ast.Attribute) and words.torch(func.value) == F:
        return f"{words.source.read(func.value)}.{function.rpartition('.')[2]}"
    return words.spelled(function)


def around(source: ParsedScript, use: OperationUse, before: str, after: str) -> list[TextEdit]:
    """The operand of a use, with other text around it; what is inside of it may be changed too."""
    (start, end), (first, last) = source.span(use.node), source.span(use.operand or use.node)
    if "#" in source.text[start:first] + source.text[last:end]:
        raise UnsureError(Message("a comment stands among the arguments of what would be changed"))
    return [TextEdit(start, first, before), TextEdit(last, end, after)]


def parentheses(source: ParsedScript, operand: ast.expr) -> tuple[str, str]:
    """What an expression needs around it to stand alone."""
    return ("", "") if source.atom(operand) == source.read(operand) else ("(", ")")


def _filled(source: ParsedScript, start: int, end: int, arguments: str) -> list[TextEdit]:
    """Other arguments in the place of those that are there; a comment among them is not thrown away."""
    held = source.text[start:end]
    if not held.strip() and not arguments:
        return []
    if "#" in held:
        raise UnsureError(Message("a comment stands among the arguments of what would be changed"))
    return [TextEdit(start, end, arguments)]
