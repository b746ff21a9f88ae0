"""Examine a model with one forward and one backward pass, and leave everything as it was."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic import __version__
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.run_expectations import RunExpectations
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.probe.preserved_state import undisturbed
from gradmedic.recording.recorder import Recorder
from gradmedic.trials.batches import loss_of


def examine(model: nn.Module, batch: Any, loss_fn: Callable[..., Tensor], *, lang: str = "en") -> Report:
    """The report on one batch, before any training.

    A `batch` that is a pair is taken as (inputs, target) and gives `loss_fn(model(inputs), target)`;
    anything else gives `loss_fn(model, batch)`. The model runs in training mode. Parameters,
    gradients, buffers, modes and random states are afterwards what they were.

    Raises `ProbeError` if the loss is not a scalar that depends on a parameter.
    """
    settings = Settings(every=1, lang=lang)
    recorder = Recorder({"gradmedic": __version__, "kind": "examine", "settings": {"lang": lang}})
    run = ObservedRun(recorder, settings, RunExpectations())
    with undisturbed(model):
        model.train()
        with run, torch.enable_grad():
            run.probe.introduce(model, None)
            loss_of(model, batch, loss_fn).backward()  # type: ignore[no-untyped-call]
    return run.report()


def assert_healthy(model: nn.Module, batch: Any, loss_fn: Callable[..., Tensor]) -> None:
    """Raise an AssertionError with the report unless `examine` finds nothing worse than a note.

    Made for a test of your own: `gm.assert_healthy(Net(), (x, y), F.cross_entropy)`.
    """
    report = examine(model, batch, loss_fn)
    if report.worst is not None and report.worst >= Severity.WARNING:
        raise AssertionError(f"the model is not healthy\n{report}")
