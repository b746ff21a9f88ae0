"""What a signal handler of the script's raises reaches the script, wherever in our code it lands."""

import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

import gradmedic as gm
from gradmedic.base import PACKAGE
from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.interruption import is_interruption

PLACES = 40
"""Places in our code, evenly spread over a run, at which a signal comes."""


class Preempted(Exception):  # noqa: N818
    """What the script's handlers raise."""


def steps(count: int) -> None:
    """Steps of a small script with what our code hooks into: a recurrent layer, clipping, a closure."""
    torch.manual_seed(0)
    body, memory = nn.Linear(4, 4), nn.GRU(4, 3)
    parameters = [*body.parameters(), *memory.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    for _ in range(count):

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss: torch.Tensor = memory(torch.relu(body(torch.randn(3, 2, 4))))[0].pow(2).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            return loss

        optimizer.step(closure)


class Signals:
    """Sends a signal when the `at`-th line of our code is about to run; counts the lines."""

    def __init__(self, at: float) -> None:
        self.at, self.lines, self.sent = at, 0, False

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        ours = frame.f_code.co_filename.startswith(PACKAGE)
        if ours and event == "line":
            self.lines += 1
            if self.lines >= self.at and not self.sent:
                self.sent = True
                signal.raise_signal(signal.SIGUSR1)
        return self


def train_and_count(at: float) -> tuple[int, bool]:
    """Train while watched; how many lines of ours have run, and whether the signal's exception came through."""
    signals, caught = Signals(at), False
    with gm.watch(every=1):
        sys.settrace(signals)
        try:
            steps(3)
        except Preempted:
            caught = True
        finally:
            sys.settrace(None)
        steps(1)
    return signals.lines, caught


@pytest.fixture
def handled() -> Iterator[None]:
    def handler(number: int, frame: FrameType | None) -> None:
        raise Preempted

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("handled")
def test_no_exception_of_a_handler_is_swallowed() -> None:
    lines, caught = train_and_count(at=float("inf"))
    assert lines > PLACES
    assert not caught
    swallowed, reached = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", GradmedicWarning)  # nothing of ours has failed
        for place in range(1, lines, lines // PLACES):
            run, caught = train_and_count(place)
            reached += run >= place  # what depends on time makes some runs shorter
            if run >= place and not caught:
                swallowed.append(place)
    assert swallowed == []
    assert reached > PLACES // 2


@pytest.mark.usefixtures("handled")
def test_watching_goes_on_after_an_exception_of_a_handler() -> None:
    lines, _ = train_and_count(at=float("inf"))
    for place in range(1, lines, lines // 5):
        with gm.watch(every=1) as watch:
            sys.settrace(Signals(place))
            try:
                steps(3)
            except Preempted:
                pass
            finally:
                sys.settrace(None)
            steps(6)
        assert len(watch._run.recorder.recording().captures) >= 5


class Handler:
    """Handlers of every form."""

    def method(self, number: int, frame: FrameType | None) -> None:
        raise Preempted

    def __call__(self, *given: Any) -> None:
        raise Preempted


def forgetful(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Preempted


def outer(word: str, number: int, frame: FrameType | None) -> None:
    raise TimeoutError(word)


def land_here(handler: Any) -> BaseException:
    """What a handler raises, caught where the signal came."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        signal.raise_signal(signal.SIGUSR1)
    except BaseException as error:
        return error
    finally:
        signal.signal(signal.SIGUSR1, before)
    raise AssertionError


FORMS: list[Any] = [Handler().method, Handler(), partial(outer, "late"), lambda *_: outer("late", *_)]


@pytest.mark.parametrize("handler", FORMS, ids=["method", "object", "partial", "lambda"])
def test_every_form_of_handler_is_known(handler: Any) -> None:
    assert is_interruption(land_here(handler))


def test_a_handler_that_forgets_its_frame_is_known_while_it_is_in_place() -> None:
    assert not is_interruption(land_here(forgetful))
    before = signal.signal(signal.SIGUSR1, forgetful)
    try:
        assert is_interruption(land_here(forgetful))
    finally:
        signal.signal(signal.SIGUSR1, before)


def fails() -> None:
    raise ValueError


def given_a_frame(frame: FrameType) -> None:
    raise ValueError


@pytest.mark.parametrize(
    "call", [fails, lambda: given_a_frame(sys._getframe(1)), lambda: [][0]], ids=["fails", "hands a frame on", "index"]
)
def test_what_our_own_code_raises_is_no_interruption(call: Callable[[], Any]) -> None:
    with pytest.raises((ValueError, IndexError)) as caught:
        call()
    assert not is_interruption(caught.value)
