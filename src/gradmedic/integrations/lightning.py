"""A callback for Lightning."""

import sys
from typing import Any

if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback
else:
    from lightning.pytorch import Callback

from gradmedic.integrations.training_watch import TrainingWatch


class LightningCallback(Callback):  # type: ignore[misc, unused-ignore]
    """Watches `Trainer.fit`, and prints the report of rank 0 when training ends or fails.

    It begins in `on_train_start`, when optimizers exist and the sanity check is over. Gradients are read inside of
    `backward` itself, and as the optimizer gets them: before and after Lightning clips and unscales them. Numbers go to
    the trainer's loggers in `on_train_batch_end`, after the step. With `stop_on="critical"` the trainer is asked to
    stop there (`trainer.should_stop`), never in a run of several ranks. Other options are those of `gm.watch`.

    With GRADMEDIC=1 in the environment every trainer gets this callback by itself.

    >>> from gradmedic.integrations.lightning import GradmedicCallback
    >>> Trainer(callbacks=[GradmedicCallback()])  # doctest: +SKIP
    """

    def __init__(self, *, automatic: bool = False, **options: Any) -> None:
        self.watch = TrainingWatch(**options)
        self._automatic = automatic

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin."""
        others = [one for one in trainer.callbacks if isinstance(one, LightningCallback) and one is not self]
        if not (self._automatic and others):
            self.watch.begin(pl_module, trainer.is_global_zero, trainer.world_size)

    def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        """Log what is new; stop if that was asked for."""
        for_all = trainer.loggers if trainer.is_global_zero else []
        if for_all:
            self.watch.tell(lambda numbers: [log.log_metrics(dict(numbers), trainer.global_step) for log in for_all])
        if self.watch.stops:
            trainer.should_stop = True

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End."""
        self.watch.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End with what was seen."""
        self.watch.end()


GradmedicCallback = LightningCallback
"""The name under which users know it."""
