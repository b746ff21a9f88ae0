"""Gradients as the optimizer is given them, true updates, and who forgets to zero them."""

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradmedic.probe.updates import SAMPLE, Update
from gradmedic.recording.records import Recording

Watch = Callable[..., Recording]
Truth = list[dict[str, float]]


def rms(tensor: Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt())


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def loss_of(model: nn.Module) -> Tensor:
    loss: Tensor = (model(torch.randn(5, 3)) - 1).square().mean()
    return loss


def told(recording: Recording, column: str) -> Truth:
    """One column of every capture, by the parameters' names."""
    names = {p.id: p.name for p in recording.parameters.values()}
    return [{names[key]: row[column] for key, row in c.parameters.items() if column in row} for c in recording.captures]


def by_name(model: nn.Module, number: Callable[[Tensor], float]) -> dict[str, float]:
    return {name: number(p) for name, p in model.named_parameters()}


def grad_rms(p: Tensor) -> float:
    assert p.grad is not None
    return rms(p.grad)


OPTIMIZERS: dict[str, Callable[[Iterable[Tensor]], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "foreach": lambda p: torch.optim.RMSprop(p, lr=0.01, foreach=True),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_true_update_and_the_weights_before_it(watch: Watch, kind: str) -> None:
    weights: Truth = []
    updates: Truth = []

    def loop() -> None:
        model = small()
        optimizer = OPTIMIZERS[kind](model.parameters())
        for _ in range(4):
            optimizer.zero_grad()
            loss_of(model).backward()
            before = {name: p.detach().clone() for name, p in model.named_parameters()}
            weights.append(by_name(model, rms))
            optimizer.step()
            updates.append({name: rms(p.detach() - before[name]) for name, p in model.named_parameters()})

    recording = watch(loop)
    assert told(recording, "weight_rms") == [pytest.approx(row) for row in weights]
    assert told(recording, "update_rms") == [pytest.approx(row, rel=1e-5) for row in updates]


def test_the_gradient_of_an_accumulated_step_is_the_sum(watch: Watch) -> None:
    sums: Truth = []

    def loop() -> None:
        model = small()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            for _ in range(4):
                (loss_of(model) / 4).backward()
            sums.append(by_name(model, grad_rms))
            optimizer.step()

    recording = watch(loop)
    assert told(recording, "grad_rms") == [pytest.approx(row) for row in sums]
    assert told(recording, "clipped_rms") == [pytest.approx(row) for row in sums]


def clip_norm(model: nn.Module) -> None:
    torch.nn.utils.clip_grad_norm_((p for p in model.parameters()), 0.1)


def clip_value(model: nn.Module) -> None:
    torch.nn.utils.clip_grad_value_((p for p in model.parameters()), 0.01)


def clip_one_layer(model: nn.Module) -> None:
    torch.nn.utils.clip_grad_norm_(model.get_submodule("2").parameters(), 0.01)


def clip_twice(model: nn.Module) -> None:
    clip_value(model)
    clip_norm(model)


@pytest.mark.parametrize("clip", [clip_norm, clip_value, clip_one_layer, clip_twice])
def test_sizes_before_and_after_clipping(watch: Watch, clip: Callable[[nn.Module], None]) -> None:
    before: Truth = []
    after: Truth = []

    def loop() -> None:
        model = small()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            loss_of(model).backward()
            before.append(by_name(model, grad_rms))
            clip(model)
            after.append(by_name(model, grad_rms))
            optimizer.step()

    recording = watch(loop)
    assert told(recording, "grad_rms") == [pytest.approx(row) for row in before]
    assert told(recording, "clipped_rms") == [pytest.approx(row) for row in after]
    norms = [
        {name: size * sqrt(n) for (name, size), n in zip(row.items(), (12, 4, 4, 1), strict=True)} for row in before
    ]
    assert told(recording, "grad_norm") == [pytest.approx(row) for row in norms]


# ── forgotten zeroing ───────────────────────────────────────────────────────────────────────


def never(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    pass


def drop_by_hand(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for p in model.parameters():
        p.grad = None


def zero_by_hand(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for p in model.parameters():
        if p.grad is not None:
            p.grad.zero_()


ZEROING: dict[str, Callable[[nn.Module, torch.optim.Optimizer], None]] = {
    "optimizer": lambda model, optimizer: optimizer.zero_grad(),
    "in place": lambda model, optimizer: optimizer.zero_grad(set_to_none=False),
    "model": lambda model, optimizer: model.zero_grad(),
    "model in place": lambda model, optimizer: model.zero_grad(set_to_none=False),
    "dropped": drop_by_hand,
    "zeroed": zero_by_hand,
}


def steps(
    zero: Callable[[nn.Module, torch.optim.Optimizer], None], first: bool, kind: str, accumulate: int = 1
) -> Callable[[], None]:
    def loop() -> None:
        model = small()
        optimizer = OPTIMIZERS[kind](model.parameters())
        for _ in range(8):
            if first:
                zero(model, optimizer)
            for _ in range(accumulate):
                loss_of(model).backward()
            optimizer.step()
            if not first:
                zero(model, optimizer)

    return loop


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("how", ZEROING)
def test_zeroed_gradients_are_not_stale(watch: Watch, how: str, first: bool, accumulate: int) -> None:
    recording = watch(steps(ZEROING[how], first, "momentum", accumulate))
    assert recording.tallies["stale_steps"] == 0
    assert recording.events_of("stale-gradients") == []


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_gradients_that_nobody_zeroes_are_stale(watch: Watch, kind: str) -> None:
    recording = watch(steps(never, True, kind))
    assert recording.tallies["stale_steps"] == 7
    (event,) = recording.events_of("stale-gradients")
    assert event.data["optimizer"] == 0


def test_zeroing_another_optimizer_leaves_this_one_stale(watch: Watch) -> None:
    def loop() -> None:
        first, second = small(), small()
        mine, other = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (first, second))
        for _ in range(6):
            other.zero_grad()
            loss_of(first).backward()
            loss_of(second).backward()
            mine.step()
            other.step()

    recording = watch(loop)
    (event,) = recording.events_of("stale-gradients")
    assert event.data["optimizer"] == 0
    assert recording.tallies["stale_steps"] == 5


# ── without a torch optimizer ───────────────────────────────────────────────────────────────


def in_place(p: Tensor) -> None:
    assert p.grad is not None
    with torch.no_grad():
        p.sub_(0.1 * p.grad)


def behind_the_back(p: Tensor) -> None:
    assert p.grad is not None
    p.data -= 0.1 * p.grad


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("move", [in_place, behind_the_back])
def test_updates_by_hand(watch: Watch, move: Callable[[Tensor], None], zero: bool) -> None:
    losses: list[float] = []

    def loop() -> None:
        model = small()
        for _ in range(6):
            loss = loss_of(model)
            losses.append(loss.item())
            loss.backward()
            for p in model.parameters():
                move(p)
                if zero:
                    p.grad = None

    recording = watch(loop)
    assert [(v.step, v.loss) for v in recording.vitals] == list(enumerate(losses))
    assert len(recording.captures) == 6
    assert recording.tallies["stale_steps"] == (0 if zero else 5)
    for row in recording.captures[2].parameters.values():
        assert row["update_rms"] == pytest.approx(0.1 * row["clipped_rms"], rel=1e-4)


class Descent:
    """An optimizer that torch knows nothing of."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self.parameters = list(parameters)

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for p in self.parameters:
            p -= 0.1 * p.grad  # type: ignore[operator]


def test_an_optimizer_that_is_not_torchs(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = Descent(model.parameters())
        for _ in range(5):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()

    recording = watch(loop)
    assert [v.step for v in recording.vitals] == [0, 1, 2, 3, 4]
    assert recording.tallies["stale_steps"] == 0
    assert not recording.optimizers


def test_accumulation_by_hand_is_one_step(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = Descent(model.parameters())
        for _ in range(4):
            optimizer.zero_grad()
            for _ in range(3):
                loss_of(model).backward()
            optimizer.step()

    recording = watch(loop)
    assert [v.step for v in recording.vitals] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert recording.tallies["stale_steps"] == 0


@pytest.mark.parametrize("every", [1, None])
def test_weights_that_are_replaced_by_hand(watch: Watch, every: int | None) -> None:
    def loop() -> None:
        w = torch.zeros(3, 1, requires_grad=True)
        for _ in range(40):
            loss = (torch.randn(5, 3) @ w - 1).square().mean()
            loss.backward()
            assert w.grad is not None
            w = (w - 0.1 * w.grad).detach().requires_grad_()

    recording = watch(loop, every)
    assert [v.step for v in recording.vitals] == list(range(40))
    assert recording.tallies["stale_steps"] == 0
    assert {p.name for p in recording.parameters.values()} == {"w"}
    assert len(recording.captures) >= 5


def test_a_parameter_that_never_moves_does_not_hide_the_others(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        scale = torch.ones((), requires_grad=True)  # the smallest of all
        for _ in range(5):
            (0 * scale + loss_of(model)).backward()
            for p in model.parameters():
                behind_the_back(p)
                p.grad = None

    assert [v.step for v in watch(loop).vitals] == [0, 1, 2, 3, 4]


# ── the measurement itself ──────────────────────────────────────────────────────────────────


def measured(tensor: Tensor, step: Callable[[], Any]) -> dict[str, float]:
    update = Update()
    update.before([(7, tensor)])
    step()
    update.after(with_twins=True)
    return update.columns()[7]


def test_a_large_parameter_is_measured_by_a_sample() -> None:
    torch.manual_seed(0)
    p = torch.randn(4 * SAMPLE, requires_grad=True)
    p.grad = torch.randn(4 * SAMPLE)
    found = measured(p, lambda: in_place(p))
    assert found["update_rms"] == pytest.approx(0.1 * rms(p.grad), rel=0.02)


def test_tiny_gradients_are_not_flushed() -> None:
    p = torch.ones(8, requires_grad=True)
    p.grad = torch.full((8,), 1e-30)
    assert measured(p, lambda: None)["clipped_rms"] == pytest.approx(1e-30)


def test_zeros_twins_and_bad_gradients_are_told() -> None:
    p = torch.ones(4, 2, requires_grad=True)
    p.grad = torch.tensor([[0.0, 1.0]] * 4)
    assert measured(p, lambda: None) == pytest.approx(
        {
            "grad": 1.0,
            "grad_zero": 0.5,
            "grad_norm": 2.0,
            "grad_rms": sqrt(0.5),
            "clipped_rms": sqrt(0.5),
            "weight_rms": 1.0,
            "update_rms": 0.0,
            "twins": 1.0,
        }
    )
    p.grad[0, 0] = float("nan")
    found = measured(p, lambda: None)
    assert found["grad_bad"] == 1.0
    assert "clipped_rms" not in found
