"""A gradient arrives again where it was cut off, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.treating import given, gradients, mlp
from torch import Tensor, nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.remedies.model.reconnect import Reconnect

X = torch.ones(2, 3)
Cut = Callable[["Net", Tensor], Tensor]


class Net(nn.Module):
    """An encoder and a head, and something in between."""

    def __init__(self, way: Cut) -> None:
        super().__init__()
        self.encoder, self.head, self.way = mlp(3, 4, 4), mlp(4, 4, 1), way

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.way(self, x))  # type: ignore[no-any-return]


def without_grad(net: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        return net.encoder(x).flatten(1) * 1.0  # type: ignore[no-any-return]


WAYS: dict[str, Cut] = {
    "detach": lambda net, x: net.encoder(x).detach(),
    "data": lambda net, x: net.encoder(x).data,
    "no_grad": without_grad,
    "a list": lambda net, x: torch.tensor(net.encoder(x).tolist()),
    "NumPy": lambda net, x: torch.from_numpy(net.encoder(x).detach().numpy()),
    "an array made anew": lambda net, x: torch.tensor(net.encoder(x).detach().numpy()),
}


def one_pass(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.grad = None
    model(X).sum().backward()


@pytest.mark.parametrize("way", WAYS)
def test_from_the_second_pass_on_the_gradient_is_the_true_one(way: str) -> None:
    model, whole = Net(WAYS[way]), Net(lambda net, x: net.encoder(x))
    one_pass(model)
    assert model.encoder[0].weight.grad is None
    with given(Reconnect(("encoder.*.weight", "encoder.*.bias")), model):
        for _ in range(3):
            one_pass(model)
    one_pass(whole)
    assert torch.allclose(gradients(model), gradients(whole))


def test_a_detach_in_a_log_is_left_alone() -> None:
    model: Any = Net(WAYS["detach"])
    with given(Reconnect(("encoder.**",)), model):
        for _ in range(3):
            loss = model(X).sum()
            logged = loss.detach()
            loss.backward()
    assert not logged.requires_grad


def test_evaluation_without_gradients_stays_so() -> None:
    model: Any = Net(WAYS["no_grad"])
    with given(Reconnect(("encoder.**",)), model):
        one_pass(model)
        one_pass(model)
        with torch.no_grad():
            assert not model(X).requires_grad
        assert torch.is_grad_enabled()


def test_a_script_that_turns_gradients_off_around_the_encoder_is_joined_at_that_line() -> None:
    encoder, head = mlp(3, 4, 4), mlp(4, 4, 1)
    model: Any = nn.ModuleDict({"encoder": encoder, "head": head})
    with given(Reconnect(("encoder.**",)), model):
        for _ in range(2):
            with torch.no_grad():
                features = encoder(X)
            head(features).sum().backward()
        with torch.no_grad():
            assert not encoder(X).requires_grad
    assert encoder[0].weight.grad is not None


def test_what_has_left_torch_is_told_to_be_lost() -> None:
    model: Any = Net(lambda net, x: torch.full((2, 4), net.encoder(x).sum().item()))
    with given(Reconnect(("encoder.**",)), model):
        one_pass(model)
        one_pass(model)
        with pytest.raises(RemedyError, match="not found where the graph is cut"):
            one_pass(model)
