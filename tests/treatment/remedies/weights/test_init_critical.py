"""Deep networks start where gradients neither vanish nor explode."""

import pytest
import torch
from support.treating import given, mlp, sgd, step
from torch import Tensor, nn

from gradmedic.base.errors import GradmedicWarning, RemedyError
from gradmedic.prediction import init
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.patient.hooks.function_calls import FunctionCall
from gradmedic.treatment.remedies.weights import init_critical
from gradmedic.treatment.remedies.weights.init_critical import InitCritical

KINDS = {"tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "softsign": nn.Softsign}


@pytest.mark.parametrize("name", KINDS)
def test_the_first_layer_gets_as_much_gradient_as_the_last(name: str) -> None:
    model = mlp(*[200] * 21, activation=KINDS[name])
    with given(InitCritical(name), model):
        torch.manual_seed(1)
        out = model(torch.randn(50, 200))
        out.backward(torch.randn_like(out))
    first, last = (model[at].weight.grad.norm() for at in (0, 38))
    assert 0.3 < float(first / last) < 3


def test_a_sigmoid_keeps_gradients_where_signals_are_large() -> None:
    model = mlp(*[200] * 13, activation=nn.Sigmoid)
    with given(InitCritical("sigmoid"), model):
        torch.manual_seed(1)
        model(torch.randn(50, 200)).sum().backward()
    first, last = (float(model[at].weight.grad.norm()) for at in (0, 22))
    assert first / last > 0.01  # as torch draws weights it is 1e-9


@pytest.mark.parametrize(("name", "why"), [("softplus", "no critical initialization"), ("nothing", "no activation")])
def test_an_activation_without_such_a_point_is_refused(name: str, why: str) -> None:
    with pytest.raises(RemedyError, match=why), given(InitCritical(name)):
        pass


def far_too_small() -> nn.Sequential:
    """Ten layers of two kinds, none of which lets much through."""
    torch.manual_seed(0)
    kinds = [nn.Tanh, nn.ELU] * 5
    model = nn.Sequential(*[part for kind in kinds for part in (nn.Linear(64, 64), kind())], nn.Linear(64, 4))
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.02)
    return model


def norms(model: nn.Module) -> list[Tensor]:
    """Of the gradients of all layers but the last."""
    return [p.grad.norm() for p in model.parameters() if p.dim() == 2 and p.grad is not None][:-1]


def all_of(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(map(torch.equal, a, b))


def test_a_whole_network_starts_where_gradients_keep_their_size() -> None:
    model = far_too_small()
    before = all_of(model)
    with given(InitCritical(), model):
        torch.manual_seed(1)
        x = torch.randn(64, 64)
        drawn = torch.get_rng_state()
        model(x).square().mean().backward()
        assert torch.equal(torch.get_rng_state(), drawn)
        sizes = [float(norm) for norm in norms(model)]
        assert max(sizes) < 5 * min(sizes)
    assert same(all_of(model), before)


def test_weights_that_have_been_trained_stay() -> None:
    model = far_too_small()
    optimizer = sgd(model)
    with given(InitCritical(), model):
        step(model, optimizer, torch.randn(8, 64), torch.randn(8, 4))
        trained = all_of(model)
        model(torch.randn(8, 64))
        assert same(all_of(model), trained)
    assert same(all_of(model), trained)


def test_a_network_that_its_script_draws_again_is_started_again() -> None:
    model = far_too_small()
    with given(InitCritical(), model):
        model(torch.randn(8, 64))
        started = all_of(model)
        with torch.no_grad():
            for weight in model.parameters():
                weight.fill_(7.0)
        model(torch.randn(8, 64))
        assert not any(bool((weight == 7).all()) for weight in model.parameters() if weight.dim() == 2)
        assert all(a.std() / b.std() < 1.5 for a, b in zip(started[::2], all_of(model)[::2], strict=True))


def test_evaluation_before_training_changes_nothing() -> None:
    model = far_too_small()
    before = all_of(model)
    with given(InitCritical(), model):
        with torch.no_grad():
            model(torch.randn(8, 64))
        model.eval()
        model(torch.randn(8, 64))
        assert same(all_of(model), before)


def test_what_it_cannot_be_run_on_tells_by_the_order_of_modules() -> None:
    class Sized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = far_too_small()

        def forward(self, x: Tensor, times: int) -> Tensor:
            return self.body(x) * times  # type: ignore[no-any-return]

    model = Sized()
    with given(InitCritical(), model):
        model(torch.randn(64, 64), 3)
        assert all(float(weight.std()) > 0.08 for weight in all_of(model) if weight.dim() == 2)


def test_a_network_that_was_loaded_is_left_as_it_is() -> None:
    model = far_too_small()
    other = far_too_small().state_dict()
    with given(InitCritical(), model):
        model.load_state_dict(other)
        with pytest.raises(RemedyError, match="loaded"):
            model(torch.randn(8, 64))


def test_passes_made_to_trim_are_not_counted_and_not_fed_twice() -> None:
    model = mlp(6, 32, 32, 3, activation=nn.Tanh)
    twice = []

    def count(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        twice.append(module)
        return (args[0] / 10,)

    patient = Patient(model, None)
    spots = []

    def look(call: FunctionCall) -> Tensor:
        spots.append(call.module)
        return call.proceed()  # type: ignore[no-any-return]

    with InitCritical().given_to(patient), patient.on_inputs(count), patient.around_calls(["1/tanh"], look):
        model(10 * torch.randn(8, 6))
        first = len(spots)
        model(10 * torch.randn(8, 6))
    assert len(twice) == 2
    assert first > 1
    assert len(spots) == first + 1


def test_a_batch_that_cannot_be_used_is_warned_of_and_the_network_started_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def picky(model: nn.Module, batch: object = None, *, seed: int | None = None) -> object:
        if batch is not None:
            raise LookupError("no rule for this batch")
        return init.critical_(model, seed=seed)

    monkeypatch.setattr(init_critical, "critical_", picky)
    model = far_too_small()
    with given(InitCritical(), model):
        x = torch.randn(64, 64)
        with pytest.warns(GradmedicWarning, match=r"by the first batch: LookupError\('no rule for this batch'\)"):
            model(x)
        model(x).square().mean().backward()
        sizes = [float(norm) for norm in norms(model)]
        assert max(sizes) < 10 * min(sizes)  # as drawn: a factor of 1e6
