"""Trials on copies of a model: paired, and without a trace."""

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from gradmedic.base.errors import ProbeError
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.trials.in_process import InProcess, shuffle
from gradmedic.trials.trial import Outcome, RunEnd, Trial

SWAP = Prescription((Item("swap-activation", {"sites": ["1/tanh"], "to": "relu"}),))
STEPS = 12


@pytest.fixture
def data() -> DataLoader[tuple[Tensor, ...]]:
    torch.manual_seed(5)
    x = torch.randn(64, 6)
    dice = torch.Generator().manual_seed(8)
    return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=16, shuffle=True, generator=dice)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.1), nn.BatchNorm1d(16), nn.Linear(16, 2))


def outcomes(place: InProcess, *trials: Trial) -> list[Outcome]:
    return list(place.run(trials))


def losses(outcome: Outcome) -> tuple[float, ...]:
    [series] = outcome.series.values()
    return series.losses


def everything(net: nn.Module, data: DataLoader[tuple[Tensor, ...]]) -> Iterator[Tensor]:
    """All that a run could have changed: weights, gradients, buffers, modes, dice."""
    yield from (value.clone() for value in net.state_dict().values())
    yield from (p.grad.clone() for p in net.parameters() if p.grad is not None)
    yield torch.tensor([module.training for module in net.modules()])
    yield torch.get_rng_state()
    assert data.generator is not None
    yield data.generator.get_state()
    words: list[Any] = [random.getstate()[1][-1], np.random.get_state(legacy=False)["state"]["pos"]]
    yield torch.tensor(words)


def test_model_and_dice_are_bit_for_bit_as_before(net: nn.Module, data: DataLoader[tuple[Tensor, ...]]) -> None:
    net.eval()
    F.cross_entropy(net(torch.ones(4, 6)), torch.zeros(4, dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
    before = list(everything(net, data))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    outcomes(InProcess(net, data, F.cross_entropy, optimizer), Trial(steps=STEPS), Trial(SWAP, 1, STEPS))
    assert optimizer.state == {}
    after = list(everything(net, data))
    assert len(before) == len(after)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_trials_with_one_seed_are_one_another_and_with_others_are_not(
    net: nn.Module, data: DataLoader[tuple[Tensor, ...]]
) -> None:
    place = InProcess(net, data, F.cross_entropy, None)
    first, again, other = outcomes(place, Trial(steps=STEPS), Trial(steps=STEPS), Trial(steps=STEPS, seed_shift=1))
    assert losses(first) == losses(again)
    assert losses(first) != losses(other)
    assert (first.ended, first.steps) == (RunEnd.STOPPED, STEPS)


def test_the_loop_is_that_of_plain_training(net: nn.Module, data: DataLoader[tuple[Tensor, ...]]) -> None:
    x, y = next(iter(data))
    plain, own = deepcopy(net), []
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    torch.manual_seed(0)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(plain(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        own.append(loss.item())
    [found] = outcomes(
        InProcess(net, (x, y), F.cross_entropy, lambda p: torch.optim.SGD(p, lr=0.1)), Trial(steps=STEPS)
    )
    assert losses(found) == pytest.approx(own)


def test_a_swap_is_seen_at_work(net: nn.Module, data: DataLoader[tuple[Tensor, ...]]) -> None:
    control, swapped = outcomes(InProcess(net, data, F.cross_entropy, None), Trial(steps=STEPS), Trial(SWAP, 0, STEPS))
    assert control.checkup is not None
    assert swapped.checkup is not None
    assert control.checkup.activations == {"tanh": 1}
    assert swapped.checkup.activations == {"relu": 1}
    assert len(swapped.checkup.looks) == 4
    assert losses(control) != losses(swapped)


def test_a_function_that_makes_models_is_called_for_every_run(data: DataLoader[tuple[Tensor, ...]]) -> None:
    made = []

    def make() -> nn.Module:
        made.append(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)))
        return made[-1]

    first, again = outcomes(InProcess(make, data, F.cross_entropy, None), Trial(steps=3), Trial(steps=3))
    assert len(made) == 2
    assert losses(first) == losses(again)


def test_the_users_own_mistake_passes_through_and_that_of_a_treated_one_is_told(net: nn.Module) -> None:
    place = InProcess(net, torch.zeros(4, 7), lambda model, x: model(x).sum(), None)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        outcomes(place, Trial(steps=3))
    [found] = outcomes(place, Trial(SWAP, 0, 3))
    assert found.ended is RunEnd.CRASHED
    assert "shapes cannot be multiplied" in found.error


def test_a_loss_that_is_no_number_is_refused(net: nn.Module) -> None:
    with pytest.raises(ProbeError, match="a tensor with one number"):
        outcomes(InProcess(net, torch.zeros(4, 6), lambda model, x: model(x), None), Trial(steps=3))


def test_a_remedy_that_refuses_is_told(net: nn.Module, data: DataLoader[tuple[Tensor, ...]]) -> None:
    wrong = Prescription((Item("init-critical", {"activation": "softplus"}),))
    [found] = outcomes(InProcess(net, data, F.cross_entropy, None), Trial(wrong, 0, 3))
    assert found.ended is RunEnd.REFUSED
    assert "softplus has no critical initialization" in found.error


def test_a_model_that_cannot_be_copied_is_refused_with_a_way_out() -> None:
    net = nn.Linear(2, 2)
    net.held = (net.weight * 2,)  # type: ignore[assignment]  # part of a graph
    with pytest.raises(ProbeError, match="give a function that makes it"):
        outcomes(InProcess(net, torch.zeros(1, 2), lambda model, x: model(x).sum(), None), Trial(steps=1))


def test_a_loss_that_stays_lost_ends_the_run(net: nn.Module) -> None:
    [found] = outcomes(
        InProcess(net, torch.zeros(4, 6), lambda m, x: (m(x) * float("nan")).sum(), None), Trial(steps=99)
    )
    assert found.steps < 40


def test_weights_are_dealt_out_anew_and_nothing_else() -> None:
    net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16))
    before = deepcopy(net.state_dict())
    shuffle(net)
    after = net.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved == ["0.weight"]
    assert torch.equal(before["0.weight"].flatten().sort().values, after["0.weight"].flatten().sort().values)
