"""A callback for the Trainer of Hugging Face."""

from typing import Any

from transformers import TrainerCallback

from gradmedic.integrations.training_watch import TrainingWatch


class TransformersCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Watches `Trainer.train`, and prints the report of the first process when training ends.

    It begins in `on_train_begin` and ends in `on_train_end`; where training raises, the Trainer tells no callback, and
    the report is printed when the process ends. Gradients are read inside of `backward` itself, and as the
    optimizer gets them: the Trainer clips before `on_pre_optimizer_step`, and zeroes them before `on_step_end`, so that
    a callback alone would never see them as they were. With `stop_on="critical"` the Trainer is asked to stop in
    `on_step_end`, never in a run of several processes. Numbers are logged where the trainer is given too, as
    `trainer.add_callback(GradmedicCallback(trainer))`. Other options are those of `gm.watch`.

    >>> from gradmedic.integrations.transformers import GradmedicCallback
    >>> Trainer(model=model, args=args, callbacks=[GradmedicCallback()])  # doctest: +SKIP
    """

    def __init__(self, trainer: Any = None, **options: Any) -> None:
        self.watch = TrainingWatch(**options)
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Begin."""
        self.watch.begin(model, state.is_world_process_zero, args.world_size)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log what is new; stop if that was asked for."""
        if self._trainer is not None:
            self.watch.tell(lambda numbers: self._trainer.log(dict(numbers)))
        if self.watch.stops:
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End."""
        self.watch.end()


GradmedicCallback = TransformersCallback
"""The name under which users know it."""
