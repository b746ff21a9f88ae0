"""Schedules of the learning rate, beside the script's own."""

from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.treatment.patching import Edit, Order
from gradmedic.treatment.patching.edits.insert import inserted
from gradmedic.treatment.patching.edits.learning_rate import refuse_set
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError
from gradmedic.treatment.patching.script.training_loop import Training

FACTORS = ("ExponentialLR", "StepLR", "MultiStepLR", "ConstantLR")
"""Schedulers that multiply the rate that they find; the others write one of their own."""


class ScheduleEdit(Edit):
    """Adds a scheduler, or a bound, where no other one writes over it."""

    name: ClassVar[str] = "schedule"
    remedies: ClassVar[tuple[str, ...]] = ("warm-up", "decay-learning-rate", "bound-learning-rate")

    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        training = Training(source)
        for call in training.schedulers:
            name = training.words.torch(call.func).rpartition(".")[2]
            if name not in FACTORS:
                raise UnsureError(Message("{name} writes the learning rate by itself", {"name": name}))
        refuse_set(source)
        return inserted(training, order.code)
