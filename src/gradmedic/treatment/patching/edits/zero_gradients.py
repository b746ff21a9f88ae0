"""Gradients that are zeroed: the call that is missing, or that stands in the wrong place."""

import ast
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import OptimizerStep, Training


class Zeroing(Edit):
    """Zeroes before the backward pass that belongs to a step; where a step is made only now and then, behind it."""

    name: ClassVar[str] = "zeroing"
    remedies: ClassVar[tuple[str, ...]] = ("zero-gradients",)

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training = Training(source)
        if order.item.dose.get("only", False):
            return _moved(training)
        steps = [step for step in _steps(training) if not _is_zeroed(training, step)]
        if not steps:
            raise UnsureError(Message("gradients are zeroed beside each step already"))
        return [_zeroed(training, step) for step in steps]


def _steps(training: Training) -> list[OptimizerStep]:
    """The steps, an optimizer's own also where nothing is known of it but its name."""
    if training.steps:
        return training.the_steps()
    raise UnsureError(Message("no optimizer.step() is found in this script"))


def _is_zeroed(training: Training, step: OptimizerStep) -> bool:
    """True where the optimizer's gradients, or those of something else, are zeroed in the innermost loop around it."""
    others = {one.optimizer for one in training.steps} - {step.optimizer}
    beside = [call for call in training.zeros if _loop(training, call) is _loop(training, step.call)]
    return any(training.receiver(call) not in others for call in beside)


def _loop(training: Training, call: ast.Call) -> ast.AST | None:
    return next((one for one in training.source.around(call) if isinstance(one, ast.For | ast.While)), None)


def _zeroed(training: Training, step: OptimizerStep) -> TextEdit:
    source, code = training.source, f"{step.optimizer}.zero_grad()"
    block = source.block(step.statement)
    before = block[: block.index(step.statement)]
    passes = [source.statement(call) for call in training.backwards if source.statement(call) in before]
    return source.above(passes[0], code) if len(passes) == 1 else source.below(step.statement, code)


def _moved(training: Training) -> list[TextEdit]:
    """The one zero_grad, from between the backward pass and the step to before the backward pass."""
    steps, source = _steps(training), training.source
    if len(training.zeros) != 1 or len(training.backwards) != 1 or len(steps) != 1:
        raise UnsureError(Message("gradients are zeroed in more than one place"))
    zero, back = (source.statement(call) for call in (training.zeros[0], training.backwards[0]))
    block = source.block(steps[0].statement)
    if not (zero in block and back in block and block.index(back) < block.index(zero)):
        raise UnsureError(Message("gradients are not zeroed between the backward pass and the step"))
    return [source.above(back, source.read(zero)), source.removed(zero)]
