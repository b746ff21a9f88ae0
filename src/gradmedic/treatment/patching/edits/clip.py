"""Gradient clipping between the backward pass and the step, and a limit that is there made smaller."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.code_places import sections
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.insert import inserted
from gradmedic.treatment.patching.script.literals import literal, shown, value
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training, argument, method


class Clip(Edit):
    """Clips before each step; with Accelerate by its own method, behind a GradScaler with the scale taken out."""

    name: ClassVar[str] = "clip"
    remedies: ClassVar[tuple[str, ...]] = ("clip-grad-norm", "clip-grad-value")

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training = Training(source)
        there = [call for call in source.calls() if _name(call) in ("clip_grad_norm_", "clip_grad_value_")]
        if there:
            return _smaller(source, order, there)
        code = order.code
        if training.accelerator:
            code = "\n".join(_accelerated(training.accelerator, where, text) for where, text in _parts(code))
        return inserted(training, code, training.accelerator.partition(".")[0])


def _smaller(source: ParsedScript, order: Order, there: list[ast.Call]) -> list[TextEdit]:
    """The script's own limits, where they are larger; a second clipping behind the first does the same."""
    wanted, [(_, call)] = order.item.remedy.replace("-", "_") + "_", _calls(order.code)
    limit = value(call.keywords[-1].value)
    found = []
    for own in there:
        held = literal(argument(own, 1, "max_norm", "clip_value"))
        if _name(own) != wanted or held is None or len(own.args) + len(own.keywords) > 2:
            raise UnsureError(Message("line {line} clips gradients already", {"line": own.lineno}))
        if value(held) > limit:
            found.append(source.replace(held, shown(limit)))
    if not found or len(there) < len(Training(source).the_steps()):
        raise UnsureError(Message("line {line} clips gradients already", {"line": there[0].lineno}))
    return found


def _calls(code: str) -> list[tuple[str, ast.Call]]:
    found = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    return [(_name(call), call) for call in found if _name(call).startswith("clip_")]


def _name(call: ast.Call) -> str:
    return method(call) or (call.func.id if isinstance(call.func, ast.Name) else "")


def _parts(code: str) -> list[tuple[str, str]]:
    return [(f"# {where.value}", text) for where, text in sections(code) if where is not None]


def _accelerated(accelerator: str, where: str, text: str) -> str:
    """Accelerate unscales gradients itself, and only where they are complete."""
    own = text.replace("torch.nn.utils.", f"{accelerator}.")
    return f"{where}\nif {accelerator}.sync_gradients:\n    {own}"
