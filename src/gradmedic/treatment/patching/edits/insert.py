"""Lines that are put where they belong: behind the model, behind the optimizer, around its step."""

import ast
from collections.abc import Callable, Mapping
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.code_places import CodePlace, sections
from gradmedic.treatment.patching import ANY, Edit, Order
from gradmedic.treatment.patching.script.adapt import Adapter
from gradmedic.treatment.patching.script.layer_starts import by_layer
from gradmedic.treatment.patching.script.source import Function, ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import OptimizerCreation, OptimizerStep, Training


class Insert(Edit):
    """Writes the code of any remedy that says where it belongs."""

    name: ClassVar[str] = "insert"
    remedies: ClassVar[tuple[str, ...]] = (ANY,)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        return inserted(Training(source), by_layer(source, order.words("weights"), order.code))


def inserted(training: Training, code: str, *known: str) -> list[TextEdit]:
    """All parts of some code in their places; `known` are names that the script is known to have."""
    parts = list(sections(code))
    if not parts or any(where is None for where, _ in parts):
        raise UnsureError(Message("it belongs to no place that can be told from the script alone"))
    names = Adapter.known.union(known)
    adapter = Adapter(training.words, "\n".join(text for _, text in parts), names, len(parts) > 1)
    if adapter.is_divided:
        _refuse_apart(training)
    return [change for where, text in parts if where is not None for change in PLACES[where](training, adapter, text)]


def behind_model(training: Training, adapter: Adapter, code: str) -> list[TextEdit]:
    """Right before the optimizer is made, when the model is complete."""
    model, made = training.the_model()
    _refuse_used(training, model, made)
    fitted = adapter.fitted(code, made.statement, model=model, optimizer=made.name)
    return [*fitted.imports, training.source.above(made.statement, fitted.text)]


def behind_optimizer(training: Training, adapter: Adapter, code: str) -> list[TextEdit]:
    """Right behind the line that makes an optimizer; for each of them."""
    found: list[TextEdit] = []
    for made in training.the_made():
        if made.kind == "LBFGS":
            raise UnsureError(Message("LBFGS takes several looks at the loss in one step"))
        if not made.name:
            raise UnsureError(Message("line {line} gives the optimizer no name", {"line": made.call.lineno}))
        fitted = adapter.fitted(code, made.statement, model=training.model_of(made), optimizer=made.name)
        found += [*fitted.imports, training.source.below(made.statement, fitted.text)]
    return found


def before_step(training: Training, adapter: Adapter, code: str) -> list[TextEdit]:
    """Right before each step."""
    return _at_steps(training, adapter, code, lambda step, text: training.source.above(step.statement, text))


def behind_step(training: Training, adapter: Adapter, code: str) -> list[TextEdit]:
    """Right behind each step."""
    return _at_steps(training, adapter, code, lambda step, text: training.source.below(step.statement, text))


def before_step_unscaled(training: Training, adapter: Adapter, code: str) -> list[TextEdit]:
    """Right before each step, where gradients are what they are: a GradScaler's factor is taken out."""

    def put(step: OptimizerStep, text: str) -> TextEdit:
        if step.scaler and not _is_unscaled(training, step):
            text = f"{step.scaler}.unscale_({step.optimizer})\n{text}"
        return training.source.above(step.statement, text)

    return _at_steps(training, adapter, code, put)


def instead_of_step(training: Training, adapter: Adapter, code: str) -> list[TextEdit]:
    """In the place of each step."""
    if any(step.scaler for step in training.the_steps()):
        raise UnsureError(Message("a GradScaler makes the steps"))
    return _at_steps(training, adapter, code, lambda step, text: training.source.instead(step.statement, text))


def _at_steps(
    training: Training, adapter: Adapter, code: str, put: Callable[[OptimizerStep, str], TextEdit]
) -> list[TextEdit]:
    found: list[TextEdit] = []
    for step in training.the_steps():
        if adapter.owners and training.model_at(step) not in adapter.owners:
            continue  # the code is about another one's weights
        fitted = adapter.fitted(code, step.statement, model=training.model_at(step), optimizer=step.optimizer)
        found += [*fitted.imports, put(step, fitted.text)]
    return found


def _refuse_apart(training: Training) -> None:
    """Refuse where what is made beside the optimizer is not known where it steps."""
    if len(training.made) > 1:
        raise UnsureError(Message("there are several optimizers"))
    for step in training.the_steps():
        for made in training.the_made():
            scope = training.source.scope(made.statement)
            if scope is not training.source.tree and scope is not training.source.scope(step.statement):
                raise UnsureError(Message("line {line} steps in another function", {"line": step.call.lineno}))


PLACES: Mapping[CodePlace, Callable[[Training, Adapter, str], list[TextEdit]]] = {
    CodePlace.MODEL: behind_model,
    CodePlace.OPTIMIZER: behind_optimizer,
    CodePlace.CLIP: before_step_unscaled,
    CodePlace.STEP: before_step,
    CodePlace.INSTEAD: instead_of_step,
    CodePlace.MOVED: behind_step,
}


def _is_unscaled(training: Training, step: OptimizerStep) -> bool:
    before = training.source.block(step.statement)
    calls = [call for one in before[: before.index(step.statement)] for call in training.source.calls(one)]
    return any(training.source.read(call) == f"{step.scaler}.unscale_({step.optimizer})" for call in calls)


def _refuse_used(training: Training, model: str, made: OptimizerCreation) -> None:
    """Refuse where the model has a past: it has run, was copied or loaded before the optimizer is made."""
    source, start = training.source, training.source.span(made.statement)[0]
    scope = source.scope(made.statement)
    if isinstance(scope, Function) and not _called_once(training, scope):
        raise UnsureError(Message("the optimizer is made in a function that is called more than once"))
    for call in source.calls(scope):
        if source.span(call)[0] > start or source.scope(call) is not scope:
            continue
        names = [source.read(one) for one in (call.func, *call.args)]
        uses = (f"{model}.load_state_dict", f"{model}.state_dict", f"{model}.forward", model)
        if names[0] in uses or (model in names[1:] and names[0].endswith(("deepcopy", "copy"))):
            raise UnsureError(
                Message("line {line} uses {model} before its optimizer is made", {"line": call.lineno, "model": model})
            )


def _called_once(training: Training, function: ast.AST) -> bool:
    name = getattr(function, "name", "")
    if name == "configure_optimizers":  # Lightning calls it
        return True
    scope = training.source.scope(function)
    wanted = scope.name if name == "__init__" and isinstance(scope, ast.ClassDef) else name
    calls = [
        call for call in training.source.calls() if getattr(call.func, "id", getattr(call.func, "attr", "")) == wanted
    ]
    loops = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp)
    return len(calls) == 1 and not any(isinstance(one, loops) for one in training.source.around(calls[0]))
