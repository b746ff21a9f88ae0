"""What goes into the model, or comes out of it, where the script calls it."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.activation import swapped
from gradmedic.treatment.patching.script.literals import shown
from gradmedic.treatment.patching.script.operation_names import Places
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training


class Fill(Edit):
    """Replaces missing values in what the model is called with."""

    name: ClassVar[str] = "fill"
    remedies: ClassVar[tuple[str, ...]] = ("fill-missing",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training, value = Training(source), shown(order.number("value", 0.0))
        name = training.words.spelled("torch.nan_to_num")
        found: list[TextEdit] = []
        for call in model_calls(training):
            if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Starred):
                raise UnsureError(Message("line {line} gives the model several things", {"line": call.lineno}))
            if source.read(call.args[0]).startswith(name):
                raise UnsureError(Message("{code} stands there already", {"code": name}))
            start, end = source.span(call.args[0])
            rest = f", nan={value}, posinf={value}, neginf={value})"
            found += [TextEdit(start, start, f"{name}("), TextEdit(end, end, rest)]
        return [*found, *training.words.needed(name)]


class Output(Edit):
    """Another last activation where one is written; around the model's calls, an output that is positive."""

    name: ClassVar[str] = "output"
    remedies: ClassVar[tuple[str, ...]] = ("change-output",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        to, sites = order.text("to", "linear"), order.words("sites")
        if sites and to in ("linear", "probability"):
            activation = {"linear": "identity", "probability": "sigmoid"}[to]
            return swapped(Places(source), sites, activation)
        if sites or to != "positive":
            raise UnsureError(Message("it belongs to no place that can be told from the script alone"))
        return _positive(Training(source))


def _positive(training: Training) -> list[TextEdit]:
    name = training.words.spelled("torch.nn.functional.softplus")
    found: list[TextEdit] = []
    for call in model_calls(training):
        start, end = training.source.span(call)
        if training.source.text[:start].endswith(f"({name}("):
            raise UnsureError(Message("{code} stands there already", {"code": name}))
        found += [TextEdit(start, start, f"({name}("), TextEdit(end, end, ") + 1e-6)")]
    return [*found, *training.words.needed(name)]


def model_calls(training: Training) -> list[ast.Call]:
    """Where the script calls the model that it trains."""
    model, made = training.the_model()
    found = [call for call in training.source.calls() if training.source.read(call.func) == model]
    if not found or not all(training.same(model, made.statement, call) for call in found):
        raise UnsureError(Message("it is not plain where the model is called"))
    return found
