"""Schedules of the learning rate, beside the script's own."""

from typing import ClassVar

from gradmedic.finding import Message
from gradmedic.patching import Edit, Order
from gradmedic.patching.insert import inserted
from gradmedic.patching.rate import refuse_set
from gradmedic.patching.source import Change, Source, UnsureError
from gradmedic.patching.training import Training

FACTORS = ("ExponentialLR", "StepLR", "MultiStepLR", "ConstantLR")
"""Schedulers that multiply the rate that they find; the others write one of their own."""


class Schedule(Edit):
    """Adds a scheduler, or a bound, where no other one writes over it."""

    name: ClassVar[str] = "schedule"
    remedies: ClassVar[tuple[str, ...]] = ("warm-up", "decay-learning-rate", "bound-learning-rate")

    def changes(self, source: Source, order: Order) -> list[Change]:
        training = Training(source)
        for call in training.schedulers:
            name = training.words.torch(call.func).rpartition(".")[2]
            if name not in FACTORS:
                raise UnsureError(Message("{name} writes the learning rate by itself", {"name": name}))
        refuse_set(source)
        return inserted(training, order.code)
