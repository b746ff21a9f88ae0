"""Steps that hand a gradient through: `round(z)` becomes `z + (round(z) - z).detach()`."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError


class Through(Edit):
    """Writes the straight-through form where the operand is a variable, which costs nothing to name again."""

    name: ClassVar[str] = "through"
    remedies: ClassVar[tuple[str, ...]] = ("straight-through",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        found: list[TextEdit] = []
        for use in Places(source).uses(order.words("sites")):
            start, end = source.span(use.node)
            if not isinstance(use.operand, ast.Name) or source.text[end:].startswith(f" - {use.operand.id}"):
                raise UnsureError(Message("line {line} is written in an unusual way", {"line": use.node.lineno}))
            z = use.operand.id
            found += [TextEdit(start, start, f"({z} + ("), TextEdit(end, end, f" - {z}).detach())")]
        return found
