"""An observed run: what is handed in is entered and left in order, and a listener hears all and may end it."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD

from gradmedic.base.settings import Settings
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.recording.recorder import Recorder


class Noting:
    """Notes what it hears, and ends the run after so many steps."""

    def __init__(self, last: int = 100) -> None:
        self.heard: list[str] = []
        self.last = last

    def before_pass(self, frame: FrameType) -> None:
        self.heard.append("before")

    def captured(self) -> None:
        self.heard.append("captured")

    def after(self, step: int, lost: int, stepped: Any = None) -> None:
        self.heard.append("pass" if stepped is None else "step")
        if step >= self.last:
            raise SystemExit(step)


def train(steps: int) -> list[float]:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(torch.ones(4, 3)) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_listener_hears_of_every_pass_step_and_capture_in_their_order() -> None:
    listener = Noting()
    with ObservedRun(Recorder({}), Settings(every=1), listener=listener):
        train(2)
    one = ["before", "pass", "step"]
    assert [word for word in listener.heard if word != "captured"] == 2 * one
    assert "captured" in listener.heard


def test_a_listener_may_end_the_run_between_two_steps() -> None:
    recorder = Recorder({})
    with pytest.raises(SystemExit, match="3"), ObservedRun(recorder, Settings(every=1, steps=3), listener=Noting(3)):
        train(10)
    assert [vital.step for vital in recorder.recording().vitals] == [0, 1, 2]


def test_what_is_around_a_run_is_entered_before_and_left_after_it_is_observed_even_where_it_breaks() -> None:
    original = torch.autograd.backward
    seen: list[bool] = []

    @contextmanager
    def around() -> Iterator[None]:
        seen.append(torch.autograd.backward is original)
        yield
        seen.append(torch.autograd.backward is original)

    def broken() -> None:
        with ObservedRun(Recorder({}), Settings(every=1), around=around()):
            seen.append(torch.autograd.backward is original)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert seen == [True, False, True]


def test_the_report_may_be_asked_for_while_it_trains_and_a_run_that_is_opened_again_goes_on() -> None:
    run = ObservedRun(Recorder({}), Settings(every=1))
    with run:
        train(2)
        assert [vital.step for vital in run.report().recording.vitals] == [0]  # the last step may not be over
    with run:
        train(1)
    assert len(run.report().recording.vitals) == 3


def test_observed_training_is_training() -> None:
    with ObservedRun(Recorder({}), Settings(every=2)):
        observed = train(5)
    assert observed == train(5)
