"""Trials in this process: each trains a fresh copy of a model, and leaves the model and all dice as they were."""

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import islice
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from gradmedic.base.errors import ProbeError
from gradmedic.base.interruption import let_through
from gradmedic.base.settings import LOST, Settings
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.recording.recorder import Recorder
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import treated
from gradmedic.trials.batches import endless, loss_of
from gradmedic.trials.job import series_of
from gradmedic.trials.run_summary import Checkup
from gradmedic.trials.runners import Runner
from gradmedic.trials.trial import Outcome, RunEnd, Script, Trial

Model = nn.Module | Callable[[], nn.Module]
Make = Callable[[Iterable[nn.Parameter]], Optimizer]
LOOKS = 4
"""Steps of a run that are read whole, the first one among them."""


class InProcess(Runner):
    """Trains copies of a model in this process, one after the other."""

    name: ClassVar[str] = "copies"

    def __init__(
        self, model: Model, data: Any, loss_fn: Callable[..., Tensor], optimizer: Make | Optimizer | None
    ) -> None:
        subject = type(model).__name__ if isinstance(model, nn.Module) else getattr(model, "__name__", "model")
        super().__init__(Script(subject), jobs=1)
        self._model, self._data, self._loss_fn = model, data, loss_fn
        self._optimizer = optimizer

    def open(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """There is nothing to close."""

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """Train a copy for each trial; what goes wrong in the model as it is is raised, in a treated one it is told."""
        for trial in trials:
            began = perf_counter()
            run = Run(trial)
            with aside(trial.seed_shift, self._data):
                try:
                    run.train(*self._copied(trial.seed_shift), endless(self._data), self._loss_fn)
                except Exception as error:
                    let_through(error)
                    if trial.is_control:
                        raise
                    run.broke(error)
            yield run.outcome(perf_counter() - began)

    def _copied(self, seed: int) -> tuple[nn.Module, Optimizer]:
        """A model of its own, whose weights are drawn anew for every seed but the first, and its optimizer."""
        if not isinstance(self._model, nn.Module):
            return self._with_optimizer(self._model())
        made = self._optimizer if isinstance(self._optimizer, Optimizer) else None
        try:
            model, optimizer = deepcopy((self._model, made))
        except Exception as error:
            let_through(error)
            raise ProbeError(f"the model cannot be copied ({error}): give a function that makes it") from error
        if seed:
            shuffle(model)
        return (model, optimizer) if optimizer is not None else self._with_optimizer(model)

    def _with_optimizer(self, model: nn.Module) -> tuple[nn.Module, Optimizer]:
        if isinstance(self._optimizer, Optimizer):
            raise ProbeError(
                "an optimizer belongs to one model: with a function that makes models, give one that makes it"
            )
        make = self._optimizer or (lambda parameters: Adam(parameters, lr=1e-3))
        return model, make(model.parameters())


class Run:
    """The training of one copy, and what was seen of it."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.recorder = Recorder({})
        self.ended, self.error = RunEnd.STOPPED, ""
        self.steps = 0

    def train(
        self, model: nn.Module, optimizer: Optimizer, batches: Iterator[Any], loss_fn: Callable[..., Tensor]
    ) -> None:
        """Take the steps that were asked for; earlier ends a loss that stays lost."""
        steps = self.trial.steps or 1
        settings = Settings(every=max(1, (steps - 1) // (LOOKS - 1)))
        given = treated(self.trial.prescription, Patient(model, optimizer, tell=self._refused))
        with ObservedRun(self.recorder, settings, around=given) as run, torch.enable_grad():
            run.probe.introduce(model, optimizer)
            model.train()
            for batch in islice(batches, steps):
                optimizer.zero_grad()
                loss = loss_of(model, batch, loss_fn)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                self.steps += 1
                if run.probe.lost >= LOST:
                    break

    def broke(self, error: Exception) -> None:
        """Note what ended it."""
        self.ended, self.error = RunEnd.CRASHED, f"{type(error).__name__}: {error}"

    def outcome(self, seconds: float) -> Outcome:
        """What came of it."""
        recording = self.recorder.recording()
        times = [vital.time for vital in recording.vitals]
        trained = times[-1] - times[0] if times else 0.0
        told: dict[str, Any] = {
            "steps": self.steps,
            "seconds": seconds,
            "startup": max(0.0, seconds - trained),
            "error": self.error,
        }
        checkup = Checkup.of(recording)
        return Outcome(self.trial, self.ended, series_of(recording), checkup=checkup, recording=recording, **told)

    def _refused(self, remedy: str, reason: str) -> None:
        self.ended, self.error = RunEnd.REFUSED, reason


def shuffle(model: nn.Module) -> None:
    """Deal the entries of each matrix out anew: for independent draws that is as likely a start as the one it was."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.copy_(weight.flatten()[torch.randperm(weight.numel(), device=weight.device)].view_as(weight))


@contextmanager
def aside(seed: int, data: Any) -> Iterator[None]:
    """Throw dice that are seeded, and put everybody's back afterwards: Python's, numpy's, torch's, the loader's."""
    numpy: Any = sys.modules.get("numpy.random")
    own = getattr(data, "generator", None)
    dealt = own.get_state() if isinstance(own, torch.Generator) else None
    python, array = random.getstate(), numpy.get_state() if numpy else None
    try:
        with torch.random.fork_rng():
            random.seed(seed)
            torch.manual_seed(seed)
            if numpy:
                numpy.seed(seed)
            if own is not None and dealt is not None:
                own.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        if numpy:
            numpy.set_state(array)
        if own is not None and dealt is not None:
            own.set_state(dealt)
