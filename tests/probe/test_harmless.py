"""Nothing of ours stops or changes a run: every part is broken on purpose, and training ends as it would."""

import gc
import inspect
import pkgutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

import gradmedic.prediction
import gradmedic.probe
import gradmedic.recording.recorder
from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.rules import all_rules
from gradmedic.prediction import init
from gradmedic.prediction.run_expectations import RunExpectations
from gradmedic.probe import Probe
from gradmedic.probe.reading.ledger_booking import book
from gradmedic.probe.step_window import Window
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording

FENCE = {
    *("Probe.__init__", "Probe.__enter__", "Probe.__exit__", "Probe.install", "Probe.close", "Probe._lastly"),
    *("Probe.begin", "Probe.end", "Probe.after_step", "Probe._tell"),
    *("Lines._answer", "Lines.pause", "RecurrentTap._after_forward", "RecurrentTap._arrive"),
}
"""The fence itself: what catches, or calls what is caught."""

SPARED = {
    "gradmedic.probe.hooks.torch_hooks",
    "gradmedic.probe.hooks.unseen_frames",
    "gradmedic.probe.failures",
    "gradmedic.prediction.prediction",
    *(f.name for f in pkgutil.iter_modules(init.__path__, f"{init.__name__}.")),
}
"""What catches failures itself, and what is no part of a run."""

PARTS = [
    *(
        import_module(found.name)
        for package in (gradmedic.probe, gradmedic.prediction)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not found.ispkg and found.name not in SPARED
    ),
    gradmedic.recording.recorder,
]


CALL = nn.Module._call_impl.__code__
"""Torch's own code that calls modules."""


class Net(nn.Module):
    """Something of everything that the probe reads."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2))
        self.memory = nn.GRU(6, 5)
        self.loop = nn.RNNCell(5, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.memory(self.body(x).unsqueeze(0).expand(4, -1, -1))
        h = states[-1]
        for state in states:
            h = self.loop(state, h)
        out: Tensor = self.head(torch.sigmoid(h) + h)
        return out


def train() -> list[Tensor]:
    """A run with clipping, scaling, accumulation, a bad loss that is skipped, and a second optimizer."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net, spare = Net(), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    by_hand = torch.optim.SGD([spare], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for step in range(3):
        optimizer.zero_grad()
        for _ in range(2):
            loss = nn.functional.mse_loss(net(torch.randn(6, 4)), torch.zeros(6, 2))
            scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        torch.nn.utils.clip_grad_value_(net.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()
        by_hand.zero_grad()
        spare.grad = torch.autograd.grad(torch.sqrt(spare).sum(), [spare])[0]
        by_hand.step()
        if step == 1:
            torch.log(net(torch.randn(6, 4)) * 0.0).mean().backward()  # type: ignore[no-untyped-call]
    return [parameter.detach().clone() for parameter in (*net.parameters(), spare)]


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """All functions and methods that a module defines, by their qualified names."""
    holders: list[Any] = [module]
    holders += [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    for holder in holders:
        for value in vars(holder).values():
            value = getattr(value, "fget", None) or getattr(value, "func", None) or inspect.unwrap(value)
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                dull = value.__code__.co_freevars or value.__code__.co_filename != module.__file__
                if value.__qualname__ not in FENCE and not dull:
                    yield value.__qualname__, value


def raising(*args: object, **kwargs: object) -> None:
    raise RuntimeError("broken on purpose")


def raising_later(*args: object, **kwargs: object) -> Iterator[None]:
    """The same in place of a generator, which Python 3.13 wants to stay one."""
    raise RuntimeError("broken on purpose")
    yield


def broken_run(monkeypatch: pytest.MonkeyPatch, function: FunctionType) -> tuple[list[Tensor], Recording, list[str]]:
    """Train with a broken function; the weights, what was recorded, and our warnings."""
    with monkeypatch.context() as broken, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("error")  # as a user's script may have it
        probe = Probe(recorder := Recorder({}), Settings(every=2), RunExpectations())
        instead = raising_later if inspect.isgeneratorfunction(function) else raising
        broken.setattr(function, "__code__", instead.__code__)
        with probe:
            weights = train()
    _clean()
    recording = recorder.recording()
    return weights, recording, [str(w.message) for w in told if issubclass(w.category, GradmedicWarning)]


def _clean() -> None:
    """Take away what a probe whose own cleaning is broken has left: it must not listen to the next run."""
    nn.Module._call_impl.__code__ = CALL
    hooks._global_forward_hooks.clear()
    hooks._global_forward_hooks_always_called.clear()
    hooks._global_forward_hooks_with_kwargs.clear()
    hooks._global_forward_pre_hooks.clear()
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """Names are looked for among all objects alive: leave only those of the run."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def untouched() -> list[Tensor]:
    return train()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_a_broken_part_changes_nothing(
    part: ModuleType, untouched: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = []
    for name, function in functions(part):
        try:
            weights, recording, told = broken_run(monkeypatch, function)
        except Exception as error:
            wrong.append(f"{name} stops the run: {error!r}")
            continue
        same = all(torch.equal(a, b) for a, b in zip(weights, untouched, strict=True))
        failures = recording.events_of("failure")
        once = max(Counter(told).values(), default=0) <= 1 and max(Counter(_parts(told)).values(), default=0) <= 1
        wrong += [f"{name} changes the weights"] * (not same) + [f"{name} warns again and again: {told}"] * (not once)
        if told and not failures and part is not gradmedic.recording.recorder:
            wrong.append(f"{name} is not recorded")
    assert not wrong


def _parts(told: list[str]) -> list[str]:
    return [text.partition(":")[0] for text in told]


def test_a_broken_part_is_warned_of_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    _, recording, told = broken_run(monkeypatch, book)  # type: ignore[arg-type]
    assert len(told) == 1
    assert "broken on purpose" in told[0]
    (failure,) = recording.events_of("failure")
    assert "broken on purpose" in failure.data["error"]


def test_hooks_are_gone_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    before: Callable[..., Any] = torch.autograd.backward
    monkeypatch.setattr(Window.after_step, "__code__", raising.__code__)
    with Probe(Recorder({}), Settings()), pytest.warns(GradmedicWarning):
        train()
    assert torch.autograd.backward is before
    assert not hooks._global_forward_hooks
    assert not hooks._global_forward_pre_hooks
    assert torch._C._len_torch_function_stack() == 0


@pytest.mark.parametrize("name", all_rules())
def test_a_broken_rule_is_left_out_and_the_others_judge(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Probe(recorder := Recorder({}), Settings()):
        train()
    whole = {finding.rule for finding in judge(recorder.recording(), Settings()).findings}
    monkeypatch.setattr(all_rules()[name], "check", raising)
    report = judge(recorder.recording(), Settings())
    assert {finding.rule for finding in report.findings} >= whole - {name}
    assert [f.data["part"] for f in report.recording.events_of("failure")] == [f"rule {name}"]
