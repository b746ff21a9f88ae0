"""Weight decay, in the optimizer that does it."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.call_arguments import refuse_unpacked, with_argument
from gradmedic.treatment.patching.script.literals import shown
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import OptimizerCreation, Training


class Decay(Edit):
    """Sets `weight_decay` of SGD and AdamW; Adam becomes AdamW, whose decay is its own."""

    name: ClassVar[str] = "decay"
    remedies: ClassVar[tuple[str, ...]] = ("weight-decay",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training, rate = Training(source), order.number("rate")
        return [change for made in training.the_made() for change in _decaying(training, made, shown(rate))]


def _decaying(training: Training, made: OptimizerCreation, rate: str) -> list[TextEdit]:
    source, call = training.source, made.call
    refuse_unpacked(call)
    if made.kind not in ("SGD", "AdamW", "Adam"):
        raise UnsureError(Message("line {line} makes {kind}", {"line": call.lineno, "kind": made.kind}))
    if any(isinstance(node, ast.Dict) for node in source.nodes(call)) or len(call.args) > 2:
        raise UnsureError(Message("line {line} has options for groups of parameters", {"line": call.lineno}))
    held = next((one.value for one in call.keywords if one.arg == "weight_decay"), None)
    if held is not None and source.read(held) == rate and made.kind != "Adam":
        raise UnsureError(Message("{code} stands there already", {"code": f"weight_decay={rate}"}))
    found = [source.replace(held, rate) if held else with_argument(source, call, f"weight_decay={rate}")]
    if made.kind == "Adam":
        name = training.words.spelled("torch.optim.AdamW")
        found += [source.replace(call.func, name), *training.words.needed(name)]
    return found
