"""What goes into a softmax: scores that are milder, or rows that are not masked completely."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.literals import shown
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import argument


class ScaleScores(Edit):
    """Multiplies the scores of a softmax."""

    name: ClassVar[str] = "milder"
    remedies: ClassVar[tuple[str, ...]] = ("scale-attention",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        factor = shown(order.number("factor"))
        uses = softmaxes(source, order)
        if any(f"* {factor}" in source.read(use.node) for use in uses):
            raise UnsureError(Message("{code} stands there already", {"code": f"* {factor}"}))
        return [change for use in uses for change in _times(source, use, factor)]


class MaskedRows(Edit):
    """Gives rows that are masked completely the weight zero."""

    name: ClassVar[str] = "unmasked"
    remedies: ClassVar[tuple[str, ...]] = ("safe-softmax",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        return [change for use in softmaxes(source, order) for change in _unmasked(source, use)]


def softmaxes(source: ParsedScript, order: Order) -> list[OperationUse]:
    """The softmaxes that a remedy is about, each a function or a method with a plain operand."""
    found = Places(source).uses(order.words("sites"))
    for use in found:
        if use.op != "softmax" or use.operand is None:
            raise UnsureError(Message("line {line} is written in an unusual way", {"line": use.node.lineno}))
    return found


def _times(source: ParsedScript, use: OperationUse, factor: str) -> list[TextEdit]:
    assert use.operand is not None
    start, end = source.span(use.operand)
    is_atom = source.atom(use.operand) == source.read(use.operand)
    is_product = isinstance(use.operand, ast.BinOp) and isinstance(use.operand.op, ast.Mult | ast.Div | ast.MatMult)
    if use.form is Form.METHOD and is_atom:
        return [TextEdit(start, start, "("), TextEdit(end, end, f" * {factor})")]
    if is_atom or (is_product and "\n" not in source.read(use.operand)):
        return [TextEdit(end, end, f" * {factor}")]
    return [TextEdit(start, start, "("), TextEdit(end, end, f") * {factor}")]


def _unmasked(source: ParsedScript, use: OperationUse) -> list[TextEdit]:
    call: ast.Call = use.node  # type: ignore[assignment]
    scores, dim = use.operand, argument(call, 0 if use.form is Form.METHOD else 1, "dim", "axis")
    inner = (ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.While)
    between = [one for one in source.around(call) if one is source.statement(call) or not isinstance(one, ast.stmt)]
    if not isinstance(scores, ast.Name) or dim is None or any(isinstance(one, inner) for one in between):
        raise UnsureError(Message("line {line} is written in an unusual way", {"line": call.lineno}))
    mask = ImportedNames(source).fresh("empty")
    masked = f".masked_fill({mask}, 0.0)"
    line = f"{mask} = {scores.id}.isneginf().all({source.read(dim)}, keepdim=True)"
    end, last = source.span(scores)[1], source.span(call)[1]
    if source.text[last:].startswith(".masked_fill(empty"):
        raise UnsureError(Message("{code} stands there already", {"code": masked}))
    return [source.above(source.statement(call), line), TextEdit(end, end, masked), TextEdit(last, last, masked)]
