"""Examine a model with one forward and one backward pass, and leave everything as it was."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic import __version__
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.report import Report
from gradmedic.prediction.run_expectations import RunExpectations
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.probe.preserved_state import undisturbed
from gradmedic.recording.recorder import Recorder
from gradmedic.trials.batches import loss_of
from gradmedic.verbs.call_settings import Thresholds, settings_of


def examine(
    model: nn.Module,
    batch: Any,
    loss_fn: Callable[..., Tensor],
    *,
    ignore: Sequence[str] | None = None,
    rules: Thresholds | None = None,
    lang: str | None = None,
) -> Report:
    """The report on one batch, before any training.

    A `batch` that is a pair is taken as (inputs, target) and gives `loss_fn(model(inputs), target)`;
    anything else gives `loss_fn(model, batch)`. The model runs in training mode. Parameters,
    gradients, buffers, modes and random states are afterwards what they were.
    `rules` are thresholds, as {"dead-relu": {"share": 0.5}}; rules to `ignore` are left out. What is not given
    is read from pyproject.toml.

    Raises `ProbeError` if the loss is not a scalar that depends on a parameter.
    """
    settings = replace(settings_of("gm.examine", ignore=ignore, rules=rules, lang=lang), every=1)
    recorder = Recorder({"gradmedic": __version__, "kind": "examine", "settings": {"lang": settings.lang}})
    run = ObservedRun(recorder, settings, RunExpectations())
    with undisturbed(model):
        model.train()
        with run, torch.enable_grad():
            run.probe.introduce(model, None)
            loss_of(model, batch, loss_fn).backward()  # type: ignore[no-untyped-call]
    return run.report()


def assert_healthy(
    model: nn.Module,
    batch: Any,
    loss_fn: Callable[..., Tensor],
    *,
    ignore: Sequence[str] | None = None,
    rules: Thresholds | None = None,
    lang: str | None = None,
) -> None:
    """Raise an AssertionError with the report unless `examine` finds nothing worse than a note.

    Made for a test of your own: `gm.assert_healthy(Net(), (x, y), F.cross_entropy)`.
    """
    report = examine(model, batch, loss_fn, ignore=ignore, rules=rules, lang=lang)
    if report.worst is not None and report.worst >= Severity.WARNING:
        raise AssertionError(f"the model is not healthy\n{report}")
