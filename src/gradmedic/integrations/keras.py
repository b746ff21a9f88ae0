"""A callback for Keras with the torch backend."""

from collections.abc import Mapping
from typing import Any

import keras

from gradmedic.base.warn import warn_of
from gradmedic.integrations.training_watch import TrainingWatch
from gradmedic.render.tracked_numbers import PREFIX

RANGE = {f"{PREFIX}smallest_gradient": min, f"{PREFIX}largest_gradient": max}
"""What becomes a log of each epoch: the range of the gradients (rms) of groups of layers."""


class KerasCallback(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Watches `Model.fit`, and prints the report when training ends.

    It begins in `on_train_begin` and ends in `on_train_end`; where training raises, Keras tells no callback, and the
    report is printed when the process ends. Callbacks of Keras see batches alone: gradients are read inside of
    `backward` itself. The smallest and the largest of the layers' last gradients that were read become logs of the
    epoch and so columns of the history, `gradmedic/smallest_gradient` and `gradmedic/largest_gradient`.
    With `stop_on="critical"` the model is asked to stop after a batch
    (`model.stop_training`). Other options are those of `gm.watch`. With another backend than torch it does nothing.

    >>> from gradmedic.integrations.keras import GradmedicCallback
    >>> model.fit(x, y, callbacks=[GradmedicCallback()])  # doctest: +SKIP
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.watch = TrainingWatch(**options)
        self._range: dict[str, float] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin."""
        if keras.backend.backend() != "torch":
            warn_of(f"gradmedic watches the torch backend of Keras, not {keras.backend.backend()}")
            return
        self.watch.begin(None)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note what is new; stop if that was asked for."""
        self.watch.tell(self._note)
        if self.watch.stops:
            self.model.stop_training = True

    def _note(self, numbers: Mapping[str, float]) -> None:
        found = [value for name, value in numbers.items() if name.startswith(f"{PREFIX}gradient/")]
        if found:
            self._range = {name: extreme(found) for name, extreme in RANGE.items()}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the range of the last gradients that were read."""
        if logs is not None:
            logs.update(self._range)

    def on_train_end(self, logs: Any = None) -> None:
        """End."""
        self.watch.end()


GradmedicCallback = KerasCallback
"""The name under which users know it."""
