"""Number types: bfloat16 or float32 in the place of float16, and a loss that is scaled."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.add_epsilon import wrapped
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.literals import shown
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.operation_uses import Form, OperationUse
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training, argument, method

HALVES = ("torch.float16", "torch.half")
NARROW = (*HALVES, "torch.bfloat16")


class Precision(Edit):
    """Writes another type wherever the script converts to a narrow one."""

    name: ClassVar[str] = "precision"
    remedies: ClassVar[tuple[str, ...]] = ("use-bfloat16", "use-float32")

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        if order.words("sites"):
            return [change for use in Places(source).uses(order.words("sites")) for change in _widened(source, use)]
        words = ImportedNames(source)
        to, narrow = ("bfloat16", HALVES) if order.item.remedy == "use-bfloat16" else ("float32", NARROW)
        found = [*_types(words, to, narrow), *_methods(source, to, narrow)]
        _refuse_autocast(words, to, narrow)
        if not found:
            raise UnsureError(Message("the script names no narrow type"))
        return found


def _widened(source: ParsedScript, use: OperationUse) -> list[TextEdit]:
    """float32 for what an operation is applied to."""
    parts: list[ast.expr | None] = [use.operand]
    if isinstance(use.node, ast.BinOp):
        parts = [use.node.left, use.node.right]
    if None in parts or (isinstance(use.node, ast.Call) and use.form is Form.FUNCTION and len(use.node.args) > 1):
        raise UnsureError(Message("line {line} is written in an unusual way", {"line": use.node.lineno}))
    tensors = [part for part in parts if part is not None and not isinstance(part, ast.Constant)]
    return [change for part in tensors for change in wrapped(source, part, ".float()", stands=use.form is Form.METHOD)]


def _types(words: ImportedNames, to: str, narrow: tuple[str, ...]) -> list[TextEdit]:
    """`torch.float16` and the like."""
    found = []
    for node in words.source.nodes():
        if isinstance(node, ast.Attribute | ast.Name) and words.torch(node) in narrow:
            found.append(words.source.replace(node, words.spelled(f"torch.{to}")))
    return found


def _methods(source: ParsedScript, to: str, narrow: tuple[str, ...]) -> list[TextEdit]:
    """`model.half()`."""
    names = {"half", *(["bfloat16"] if "torch.bfloat16" in narrow else [])}
    calls = [call for call in source.calls() if method(call) in names and not call.args]
    ends = [(source.span(call.func)[1], len(method(call))) for call in calls]
    return [TextEdit(end - size, end, {"float32": "float"}.get(to, to)) for end, size in ends]


def _refuse_autocast(words: ImportedNames, to: str, narrow: tuple[str, ...]) -> None:
    """Refuse where autocast is on: in float32 it does nothing, and its usual type differs from device to device."""
    for call in words.source.calls():
        name = words.torch(call.func).rpartition(".")[2]
        if name == "autocast" and (to == "float32" or argument(call, 1, "dtype") is None):
            raise UnsureError(Message("line {line} lets autocast choose the types", {"line": call.lineno}))


class Scaling(Edit):
    """Adds a GradScaler: around the loss, around the step, and behind it."""

    name: ClassVar[str] = "scaling"
    remedies: ClassVar[tuple[str, ...]] = ("scale-loss",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training = Training(source)
        steps, scale = training.the_steps(), order.number("scale", 65536.0)
        casts = [c for c in source.calls() if training.words.torch(c.func).endswith("autocast") and c.args]
        if len(steps) != 1 or len(training.backwards) != 1 or len(training.made) != 1 or len(casts) != 1:
            raise UnsureError(Message("it is not plain where the loss is scaled"))
        step, back, made = steps[0], training.backwards[0], training.made[0]
        if step.scaler or "scaler" in training.words.taken or "clip_grad" in source.text or training.accelerator:
            raise UnsureError(Message("the loss is scaled, or its gradient used, in other ways too"))
        name = training.words.spelled("torch.amp.GradScaler")
        scaler = f"scaler = {name}({source.read(casts[0].args[0])}, init_scale={shown(scale)})"
        loss = back.func.value  # type: ignore[attr-defined]
        return [
            source.below(made.statement, scaler),
            source.replace(loss, f"scaler.scale({source.read(loss)})"),
            *_scaled_step(source, step.statement, step.call, step.optimizer),
            *training.words.needed(name),
        ]


def _scaled_step(source: ParsedScript, statement: ast.stmt, call: ast.Call, optimizer: str) -> list[TextEdit]:
    return [source.replace(call, f"scaler.step({optimizer})"), source.below(statement, "scaler.update()")]
