"""The optimizer stays the same object and steps like another one."""

from typing import Any

import pytest
import torch
from support.treating import given, mlp, sgd, step

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.update.change_optimizer import ChangeOptimizer

X, Y = torch.ones(4, 3), torch.zeros(4, 1)


def trained(treat: bool) -> list[torch.Tensor]:
    """Weights after five steps with a schedule: of SGD that was changed to AdamW, or of AdamW itself."""
    model = mlp(3, 8, 1)
    optimizer = sgd(model, 0.5) if treat else torch.optim.AdamW(model.parameters(), lr=0.01)
    if not treat:
        return _steps(model, optimizer)
    with given(ChangeOptimizer("AdamW", 0.01), model, optimizer):
        return _steps(model, optimizer)


def _steps(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)
    for _ in range(5):
        step(model, optimizer, X, Y)
        schedule.step()
    return [p.detach().clone() for p in model.parameters()]


def test_sgd_steps_as_adamw_would_with_its_schedule() -> None:
    assert all(torch.allclose(p, q, rtol=1e-5, atol=1e-7) for p, q in zip(trained(True), trained(False), strict=True))


def test_an_optimizer_that_a_scheduler_has_wrapped_before_is_changed_too_and_changed_back() -> None:
    model = mlp(3, 8, 1)
    optimizer: Any = sgd(model, 0.5, momentum=0.9)
    torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)
    wrapper, options = optimizer.step, {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    with given(ChangeOptimizer("AdamW", 0.01), model, optimizer):
        step(model, optimizer, X, Y)
        assert isinstance(optimizer, torch.optim.AdamW)
        assert "exp_avg" in next(iter(optimizer.state.values()))
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.step is wrapper
    assert {k: v for k, v in optimizer.param_groups[0].items() if k != "params"} == options
    assert not optimizer.state


class Sign(torch.optim.Optimizer):
    """An optimizer of somebody's own, which a script imports."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad.sign()


@pytest.mark.parametrize(
    "to", [f"{__name__}.Sign", "torch.optim.Adagrad", "torch.optim.adam.Adam", "Adagrad", "Rprop", "NAdam"]
)
def test_an_optimizer_that_is_imported_is_looked_up_and_steps(to: str) -> None:
    model = mlp(3, 8, 1)
    optimizer = sgd(model, 0.5)
    before = [p.detach().clone() for p in model.parameters()]
    with given(ChangeOptimizer(to, 0.01), model, optimizer):
        step(model, optimizer, X, Y)
        assert type(optimizer).__name__ == to.rpartition(".")[2]
    if to.endswith("Sign"):
        moved = [(p - q).abs().max().item() for p, q in zip(model.parameters(), before, strict=True)]
        assert moved == pytest.approx([0.01] * len(moved))


@pytest.mark.parametrize(
    ("to", "complaint"),
    [
        ("os.system", "the script imports no optimizer 'os.system'"),
        ("torch.optim.Optimizer", "the script imports no optimizer"),
        ("torch.optim.LBFGS", "the script imports no optimizer"),
        ("missing.there.Lion", "the script imports no optimizer 'missing.there.Lion'"),
        ("Muon", "Muon cannot take over: Muon only supports 2D"),
    ],
)
def test_what_is_no_optimizer_or_cannot_take_over_is_refused(to: str, complaint: str) -> None:
    if "." not in to and not hasattr(torch.optim, to):
        pytest.skip(f"this version of torch has no {to}")
    model = mlp(3, 8, 1)
    with given(ChangeOptimizer(to), model, sgd(model, 0.5)), pytest.raises(RemedyError, match=complaint):
        model(X).square().mean().backward()


@pytest.mark.parametrize(
    "to", ["a.b()", "a..b", "a.b c", ".a", "a.", "a.import", "os.__class__", "a.\n", "a.ﬀ", "a.b;c"]
)
def test_what_is_no_name_is_refused_at_once(to: str) -> None:
    with pytest.raises(RemedyError, match=r"there is no optimizer .* in torch\.optim"):
        ChangeOptimizer(to)


def test_lbfgs_and_unknown_names_are_refused() -> None:
    model = mlp(3, 8, 1)
    with pytest.raises(RemedyError, match="did you mean 'AdamW'"), given(ChangeOptimizer("AdmW")):
        pass
    optimizer = torch.optim.LBFGS(model.parameters())
    with given(ChangeOptimizer(), model, optimizer), pytest.raises(RemedyError, match="LBFGS calls the loss"):
        model(X).square().mean().backward()
