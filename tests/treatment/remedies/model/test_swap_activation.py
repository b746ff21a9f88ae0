"""An activation is another one, wherever and however it is called."""

from typing import Any

import pytest
import torch
from support.treating import given, mlp
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F
from torch.nn.functional import sigmoid as imported_by_name
from torch.utils.checkpoint import checkpoint

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.model.swap_activation import SwapActivation

X = torch.linspace(-2, 2, 12).view(3, 4)


class Squash(Function):
    """Somebody's own."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return 0.2 * x.tanh()

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return 0.2 * grad


def squashed(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


class Forms(nn.Module):
    """All ways to call a sigmoid; in-place ones as a statement too."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Sigmoid()

    def forward(self, x: Tensor) -> list[Tensor]:
        as_statement = x.clone()
        as_statement.sigmoid_()
        forms = [torch.sigmoid(x), x.sigmoid(), F.sigmoid(x), torch.special.expit(x), imported_by_name(x)]
        return [self.act(x), *forms, torch.sigmoid_(x.clone()), as_statement, Squash.apply(x)]


def test_every_form_of_a_call_is_seen() -> None:
    model: Any = Forms()
    with given(SwapActivation(("*/sigmoid", "*/squash"), "relu"), model):
        swapped = model(X)
    assert all(torch.equal(one, X.relu()) for one in swapped)
    assert torch.equal(model(X)[0], X.sigmoid())


def test_only_the_named_place_is_swapped() -> None:
    model = mlp(4, 4, 4, 4, activation=nn.Sigmoid)
    with given(SwapActivation(("3/sigmoid",), "identity"), model):
        seen = model(X)
    assert torch.equal(seen, model[4](model[2](model[1](model[0](X)))))


def test_a_line_of_the_script_and_a_number_tell_calls_apart() -> None:
    here = f"test_swap_activation.py:{squashed.__code__.co_firstlineno + 1}"
    with given(SwapActivation((f"{here}/sigmoid#1",), "relu")):
        seen = [squashed(X) for _ in range(3)]
    assert [torch.equal(one, X.relu()) for one in seen] == [False, True, False]
    with given(SwapActivation((f"{here}/sigmoid#1",), "relu")):
        outermost = nn.Identity()
        seen = [squashed(outermost(X)) for _ in range(3)]
    assert not any(torch.equal(one, X.relu()) for one in seen), "an outermost module begins to count anew"
    with given(SwapActivation((f"{here}/sigmoid",), "relu")):
        assert torch.equal(squashed(X), X.relu())
        assert torch.equal(torch.sigmoid(X), 1 / (1 + (-X).exp()))


def test_layers_without_a_module_around_them_are_one_pass_and_modules_on_a_line_do_not_count() -> None:
    first, act, second = nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4)
    line = "test_swap_activation.py:*/sigmoid"
    for nth, swapped in ((0, [True, False]), (1, [False, True])):
        with given(SwapActivation((f"{line}#{nth}",), "relu"), nn.ModuleList([first, act, second])):
            for _ in range(2):
                seen = [torch.sigmoid(second(act(first(X)))), torch.sigmoid(X)]
                assert [bool((one == 0).any() or (one > 1).any()) for one in seen] == swapped


def test_the_weights_before_it_get_the_start_of_the_new_one() -> None:
    model = mlp(200, 200, 200, activation=nn.Sigmoid)
    with given(SwapActivation(("1/sigmoid",), "relu", ("0.weight",)), model):
        model(torch.ones(2, 200))
        assert float(model[0].weight.detach().std()) == pytest.approx((2 / 200) ** 0.5, rel=0.05)
        assert not model[0].bias.any()
        assert float(model[2].weight.detach().std()) == pytest.approx((1 / 600) ** 0.5, rel=0.1)


def test_the_gradient_is_that_of_the_new_one() -> None:
    x = X.clone().requires_grad_()
    with given(SwapActivation(("*/sigmoid",), "relu")):
        torch.sigmoid(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, (X > 0).float())


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("as_module", [False, True])
def test_what_a_checkpoint_computes_again_is_swapped_too(reentrant: bool, as_module: bool) -> None:
    x = X.clone().requires_grad_()
    function = nn.Sigmoid() if as_module else lambda z: torch.sigmoid(2 * z)
    with given(SwapActivation(("*/sigmoid",), "relu")):
        checkpoint(function, x, use_reentrant=reentrant).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, (X > 0).float() * (1 if as_module else 2))


def test_a_compiled_model_is_swapped_as_well() -> None:
    model = mlp(4, 4, 4, activation=nn.Sigmoid)
    compiled = torch.compile(model, backend="eager")
    with given(SwapActivation(("*/sigmoid",), "identity")):
        assert torch.equal(compiled(X), model[2](model[0](X)))
    assert torch.equal(compiled(X), model[2](model[0](X).sigmoid()))


def test_an_activation_that_nobody_knows_is_refused() -> None:
    with pytest.raises(RemedyError, match="did you mean 'relu'"), given(SwapActivation(("*/sigmoid",), "rellu")):
        pass


def test_a_place_that_names_nothing_is_refused() -> None:
    with pytest.raises(RemedyError, match=r"write it as body\.1/relu"), given(SwapActivation(("body.1",), "relu")):
        pass
