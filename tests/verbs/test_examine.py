"""Examining a model: one pass, and everything is as it was."""

import random
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradmedic as gm
from gradmedic.base.errors import ProbeError

BATCH = (torch.randn(32, 16, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 4)


def deep(activation: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(16, 16), activation())]
    return nn.Sequential(*layers, nn.Linear(16, 4))


def shallow() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4))


def test_finds_what_is_wrong_before_any_training() -> None:
    report = gm.examine(deep(nn.Sigmoid), BATCH, F.cross_entropy)
    assert report.verdict == "sick"
    assert report.findings[0].rule == "vanishing-gradient"


def test_books_every_decade() -> None:
    ledger = gm.examine(deep(nn.Sigmoid), BATCH, F.cross_entropy).ledger
    assert ledger is not None
    assert ledger.target == "0.weight"
    assert ledger.by_op()["sigmoid"] < -5


def test_leaves_a_healthy_model_alone() -> None:
    assert gm.examine(shallow(), BATCH, F.cross_entropy).verdict == "healthy"
    gm.assert_healthy(shallow(), BATCH, F.cross_entropy)


def test_assert_healthy_raises_with_the_report() -> None:
    with pytest.raises(AssertionError, match="vanishing-gradient"):
        gm.assert_healthy(deep(nn.Sigmoid), BATCH, F.cross_entropy)


def test_everything_is_afterwards_what_it_was() -> None:
    model = shallow()
    model.eval()
    model[0].train()
    F.cross_entropy(model(BATCH[0]), BATCH[1]).backward()  # type: ignore[no-untyped-call]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [parameter.grad for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    chance, python = torch.get_rng_state(), random.getstate()

    gm.examine(model, BATCH, F.cross_entropy)

    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), grads, strict=True))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), chance)
    assert random.getstate() == python


def test_everything_is_put_back_when_the_loss_raises() -> None:
    model = shallow().eval()

    def broken(output: Tensor, target: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        gm.examine(model, BATCH, broken)
    assert not model.training
    assert torch.autograd.backward.__module__ == "torch.autograd"


def test_takes_a_batch_of_any_form() -> None:
    def loss_of(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(model(batch["x"]), batch["y"])

    batch = {"x": BATCH[0], "y": BATCH[1]}
    assert gm.examine(shallow(), batch, loss_of).verdict == "healthy"


@pytest.mark.parametrize(
    ("loss_fn", "told"),
    [
        (lambda output, target: output, "one number"),
        (lambda output, target: output.detach().sum(), "does not depend"),
    ],
)
def test_says_in_one_sentence_what_is_wrong_with_the_loss(loss_fn: Callable[..., Tensor], told: str) -> None:
    with pytest.raises(ProbeError, match=told):
        gm.examine(shallow(), BATCH, loss_fn)
