"""Normalization layers behind the layers of a network."""

import ast
from collections.abc import Mapping
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import argument

LAYERS: Mapping[tuple[str, str], str] = {
    ("layer", "Linear"): "LayerNorm({width})",
    ("rms", "Linear"): "RMSNorm({width})",
    ("batch", "Linear"): "BatchNorm1d({width})",
    ("layer", "Conv1d"): "GroupNorm(1, {width})",
    ("layer", "Conv2d"): "GroupNorm(1, {width})",
    ("batch", "Conv1d"): "BatchNorm1d({width})",
    ("batch", "Conv2d"): "BatchNorm2d({width})",
}
"""The module of torch.nn for each kind of normalization behind each kind of layer."""


class Norm(Edit):
    """Adds a normalization behind a layer: as the next entry of a Sequential, or together with it as one."""

    name: ClassVar[str] = "norm"
    remedies: ClassVar[tuple[str, ...]] = ("normalize",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        places, kind = Places(source), order.text("kind", "layer")
        return [change for use in places.uses(order.words("sites")) for change in _normalized(places.words, use, kind)]


def _normalized(words: ImportedNames, use: OperationUse, kind: str) -> list[TextEdit]:
    source, call = words.source, use.node
    if use.form is not Form.MODULE or not isinstance(call, ast.Call):
        raise UnsureError(Message("line {line} is written in an unusual way", {"line": call.lineno}))
    layer = words.torch(call.func).rpartition(".")[2]
    width = argument(call, 1, "out_features", "out_channels")
    if width is None or (kind, layer) not in LAYERS or any(isinstance(node, ast.Call) for node in ast.walk(width)):
        raise UnsureError(Message("it is not plain which normalization follows line {line}", {"line": call.lineno}))
    name, _, rest = LAYERS[kind, layer].partition("(")
    norm = f"{words.spelled(f'torch.nn.{name}')}({rest.format(width=source.read(width))}"
    start, end = source.span(call)
    parent = source.parents[call]
    if isinstance(parent, ast.Call) and call in parent.args and words.torch(parent.func) == "torch.nn.Sequential":
        _refuse_again(source, end, norm)
        return [TextEdit(end, end, f", {norm}"), *words.needed(norm)]
    if isinstance(parent, ast.Assign) and (calls := _calls_of(source, parent)):
        return _as_attribute(words, parent, calls, norm)
    _refuse_asked(source, call)
    whole = words.spelled("torch.nn.Sequential")
    return [TextEdit(start, start, f"{whole}("), TextEdit(end, end, f", {norm})"), *words.needed(norm)]


def _calls_of(source: ParsedScript, made: ast.Assign) -> list[ast.Call]:
    """The one call of a layer that is set as an attribute."""
    name = source.read(made.targets[0])
    calls = [call for call in source.calls() if source.read(call.func) == name]
    return calls if len(calls) == 1 and name.startswith("self.") and len(made.targets) == 1 else []


def _as_attribute(words: ImportedNames, made: ast.Assign, calls: list[ast.Call], norm: str) -> list[TextEdit]:
    """An attribute of its own, and its call around that of the layer: names of weights stay what they are."""
    source, name = words.source, f"{words.source.read(made.targets[0])}_norm"
    if f"{name}(" in source.text:
        raise UnsureError(Message("{code} stands there already", {"code": name}))
    start, end = source.span(calls[0])
    line = source.below(source.statement(made), f"{name} = {norm}")
    return [line, TextEdit(start, start, f"{name}("), TextEdit(end, end, ")"), *words.needed(norm)]


def _refuse_again(source: ParsedScript, end: int, norm: str) -> None:
    if source.text[end:].lstrip(", \n").startswith(norm):
        raise UnsureError(Message("{code} stands there already", {"code": norm}))


def _refuse_asked(source: ParsedScript, call: ast.Call) -> None:
    """Refuse where the layer is asked for its weights: with a normalization in one module it has none of its own."""
    asked = {node.attr for node in source.nodes() if isinstance(node, ast.Attribute) and node.attr in _OWN}
    if asked:
        raise UnsureError(Message("the script asks layers for their {name}", {"name": ", ".join(sorted(asked))}))


_OWN = ("weight", "bias", "in_features", "out_features", "in_channels", "out_channels")
