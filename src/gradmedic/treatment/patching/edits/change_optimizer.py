"""Another optimizer, with its own usual options."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.learning_rate import absolute
from gradmedic.treatment.patching.script.call_arguments import refuse_unpacked, with_argument, without
from gradmedic.treatment.patching.script.literals import shown
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import OptimizerCreation, Training, argument


class ChangeClass(Edit):
    """Writes another class and rate where optimizers are made, and leaves the options of the old class out."""

    name: ClassVar[str] = "optimizer"
    remedies: ClassVar[tuple[str, ...]] = ("change-optimizer",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training = Training(source)
        kind, rate = order.text("to", "AdamW"), order.number("rate", 1e-3)
        if any(True for _ in absolute(training)):
            raise UnsureError(Message("a scheduler sets the learning rate"))
        return [change for made in training.the_made() for change in _changed(training, made, kind, rate)]


def _changed(training: Training, made: OptimizerCreation, kind: str, rate: float) -> list[TextEdit]:
    refuse_unpacked(made.call)
    if made.kind in (kind, "LBFGS") or len(made.call.args) > 2:
        raise UnsureError(Message("line {line} makes {kind}", {"line": made.call.lineno, "kind": made.kind}))
    if any(isinstance(node, ast.Dict) for node in training.source.nodes(made.call)):
        raise UnsureError(Message("line {line} has options for groups of parameters", {"line": made.call.lineno}))
    name, held = _name(training, kind), argument(made.call, 1, "lr")
    old = [one for one in made.call.keywords if one.arg not in ("params", "lr")]
    return [
        training.source.replace(made.call.func, name),
        *training.words.needed(name),
        training.source.replace(held, shown(rate)) if held else _with_rate(training.source, made, rate),
        *(without(training.source, made.call, one) for one in old),
    ]


def _name(training: Training, kind: str) -> str:
    """The class as the script would write it; one that is not of torch's own, as its imports lead to it."""
    name = training.words.spelled(kind if "." in kind else f"torch.optim.{kind}")
    if "." in kind and name.partition(".")[0] not in training.words.everywhere:
        raise UnsureError(Message("the script does not import {name}", {"name": kind}))
    if "." in kind and training.source.recording is None:
        raise UnsureError(Message("only a run shows whether {name} is an optimizer", {"name": kind}))
    return name


def _with_rate(source: ParsedScript, made: OptimizerCreation, rate: float) -> TextEdit:
    return with_argument(source, made.call, f"lr={shown(rate)}")
