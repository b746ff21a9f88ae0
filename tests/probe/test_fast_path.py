"""The fast lane records what the slow one would."""

import pickle
import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.probe.fast_path import STRIDE, FastPath
from gradmedic.probe.hooks.backward_shortcut import Counting
from gradmedic.probe.hooks.torch_hooks import Seat
from gradmedic.probe.participants import KnownOptimizer, Participants
from gradmedic.probe.schedule import Schedule
from gradmedic.probe.vitals import Vitals
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording, Vital


def shared_out(model: nn.Module, among: int) -> list[list[nn.Parameter]]:
    parameters = list(model.parameters())
    return [parameters[k::among] for k in range(among)]


def trained(steps: int, among: int = 1) -> list[torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizers = [torch.optim.SGD(parameters, lr=0.1) for parameters in shared_out(model, among)]
    for _ in range(steps):
        model.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def watched(steps: int, every: int | None, among: int = 1, **options: Any) -> Recording:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizers = [torch.optim.SGD(parameters, lr=0.1) for parameters in shared_out(model, among)]
    schedules = [torch.optim.lr_scheduler.StepLR(optimizer, options.get("epoch", 50), 0.5) for optimizer in optimizers]
    x = torch.randn(16, 4)
    recorder = Recorder({})
    with Probe(recorder, Settings(budget=0.0, every=every)):
        for step in range(steps):
            model.zero_grad()
            for _ in range(options.get("passes", 1)):
                loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
                (loss * options.get("factor", lambda _: 1.0)(step)).backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
    return recorder.recording()


@pytest.mark.parametrize("among", [1, 2])
@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("epoch", [1, 50, 10_000])
def test_losses_steps_and_rates_are_those_of_the_slow_lane(among: int, passes: int, epoch: int) -> None:
    fast, slow = (watched(300, every, among, passes=passes, epoch=epoch) for every in (None, 1))
    assert len(fast.captures) < 30 * passes
    for mine, theirs in zip(fast.vitals, slow.vitals, strict=True):
        assert (mine.step, mine.stream, mine.loss) == (theirs.step, theirs.stream, theirs.loss)
        assert mine.lr in (theirs.lr, None)
    # only from one look to the next may it be unknown when a rate has changed
    assert sum(vital.lr is None for vital in fast.vitals) <= passes * STRIDE * (0 if epoch > 300 else 300 // 50)


def test_counters_are_those_of_the_slow_lane() -> None:
    fast, slow = watched(300, every=None), watched(300, every=1)
    assert fast.tallies["backwards"] == slow.tallies["backwards"] == 300
    assert fast.tallies["steps"] == slow.tallies["steps"] == 300


def test_a_loss_that_is_not_finite_is_seen_at_its_step() -> None:
    recording = watched(250, every=None, factor=lambda step: float("nan") if step == 200 else 1.0)
    assert recording.events_of("non-finite")[0].step == 200


def test_a_strange_loss_asks_for_a_capture() -> None:
    recording = watched(250, every=None, factor=lambda step: 1e3 if step == 200 else 1.0)
    assert 201 in [capture.step for capture in recording.captures]


def test_gradient_norms_are_taken_now_and_then() -> None:
    norms = [vital.grad_norm for vital in watched(2000, every=None).vitals[200:]]
    assert any(norm is not None and norm >= 0 for norm in norms)


class Described(torch.optim.SGD):
    """Says more at the end of a step than torch does."""

    told = 0

    def _optimizer_step_code(self) -> None:
        self.told += 1


def test_where_somebody_else_has_put_a_function_it_is_called() -> None:
    optimizer = torch.optim.SGD(nn.Linear(4, 1).parameters(), lr=0.1)
    assert Counting.can(optimizer)
    vars(optimizer)["_optimizer_step_code"] = int
    assert not Counting.can(optimizer)


@pytest.mark.parametrize("kind", [torch.optim.SGD, Described])
def test_an_optimizer_is_left_as_it_was(kind: type[torch.optim.SGD]) -> None:
    model = nn.Linear(4, 1)
    optimizer = kind(model.parameters(), lr=0.1)
    own, counted = set(vars(optimizer)), 0
    recorder = Recorder({})
    with Probe(recorder, Settings(budget=0.0)):
        for _ in range(300):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            counted += "_optimizer_step_code" in vars(optimizer)
            assert pickle.loads(pickle.dumps(optimizer)).param_groups[0]["lr"] == 0.1
    assert (counted > 200) == (kind is torch.optim.SGD)
    assert set(vars(optimizer)) == own | ({"told"} if kind is Described else set())
    assert recorder.recording().tallies["steps"] == 300
    assert kind is torch.optim.SGD or optimizer.told == 300  # type: ignore[attr-defined]


def test_a_profiler_finds_every_step_as_it_is() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = Recorder({})
    counted, profiler = [], torch.autograd.profiler.profile()
    with Probe(recorder, Settings(budget=0.0)):
        for step in range(400):
            if step == 150:
                profiler.__enter__()  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
            counted.append("_optimizer_step_code" in vars(optimizer))
            if step == 300:
                profiler.__exit__(None, None, None)  # type: ignore[no-untyped-call]
    assert any(counted[:150])
    assert not any(counted[150 + STRIDE : 300])
    assert any(counted[300:])
    assert [vital.step for vital in recorder.recording().vitals] == list(range(400))


def test_a_second_place_that_calls_backward_every_other_step_is_met() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    recorder = Recorder({})
    with Probe(recorder, Settings(budget=0.0)):
        for step in range(600):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 4)).square().mean()
            if step > 300 and step % 2:
                loss.backward()
            else:
                loss.backward()
            optimizer.step()
    vitals = recorder.recording().vitals
    assert [vital.step for vital in vitals] == list(range(600))
    late = [vital.stream for vital in vitals[300 + STRIDE :]]
    assert late[0::2] != late[1::2]
    assert len(set(late[0::2])) == len(set(late[1::2])) == 1


def test_another_optimizer_that_takes_over_at_the_same_place_is_met_soon() -> None:
    model = nn.Linear(4, 1)
    recorder = Recorder({})
    with Probe(recorder, Settings(budget=0.0)):
        for parameters in ([model.weight], [model.bias]):
            optimizer = torch.optim.SGD(parameters, lr=0.01)
            for _ in range(200):
                model.zero_grad()
                model(torch.randn(8, 4)).square().mean().backward()
                optimizer.step()
    recording = recorder.recording()
    assert len(recording.optimizers) == 2
    assert recording.tallies["backwards"] == 400
    assert 400 - STRIDE <= recording.tallies["steps"] <= 400


def test_where_a_step_is_left_out_the_count_is_right_again_at_the_next_look() -> None:
    fast, slow = (skipping(every) for every in (None, 1))
    assert slow[-1].step == 399 - len(range(200, 400, 10))
    assert [vital.loss for vital in fast] == [vital.loss for vital in slow]
    ahead = [mine.step - theirs.step for mine, theirs in zip(fast, slow, strict=True)]
    assert all(0 <= steps <= STRIDE // 10 for steps in ahead)
    assert ahead.count(0) > 200


def skipping(every: int | None) -> Sequence[Vital]:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    recorder = Recorder({})
    with Probe(recorder, Settings(budget=0.0, every=every)):
        for step in range(400):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().mean().backward()
            if step <= 200 or step % 10 != 1:
                optimizer.step()
    return recorder.recording().vitals


def test_times_only_grow() -> None:
    times = [vital.time for vital in watched(300, every=None).vitals]
    assert times == sorted(times)


PARTS = [
    *((FastPath, name) for name in ("allow", "notes", "_stays", "_count", "_note_rate")),
    *((FastPath, name) for name in ("_unfold", "_look_ahead", "_catch_up", "close", "_hand_over")),
    *((Vitals, name) for name in ("absorb", "limits", "settle")),
    *((Schedule, name) for name in ("idle", "ready")),
    (Seat, "doze"),
    (Seat, "count"),
    (Participants, "calls"),
    (KnownOptimizer, "rate"),
]


@pytest.mark.parametrize("among", [1, 2])
@pytest.mark.parametrize(("owner", "name"), PARTS, ids=[f"{owner.__name__}.{name}" for owner, name in PARTS])
def test_a_broken_lane_changes_nothing(owner: type, name: str, among: int, monkeypatch: pytest.MonkeyPatch) -> None:
    used = False

    def broken(*args: object, **kwargs: object) -> None:
        nonlocal used
        used = True
        raise ZeroDivisionError

    untouched = trained(200, among)
    monkeypatch.setattr(owner, name, broken)
    recorder = Recorder({})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradmedicWarning)
        with Probe(recorder, Settings(budget=0.0)):
            weights = trained(200, among)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(weights, untouched, strict=True))
    assert used or among == 2  # the steps of several are heard of, and not counted
    assert bool(recorder.recording().events_of("failure")) == used
