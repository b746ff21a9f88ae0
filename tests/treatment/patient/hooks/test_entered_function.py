"""A wrapper that a script has put around a function of torch runs once per call under the lens."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.treatment.patient import FunctionCall, Patient

X = torch.linspace(-1, 1, 12).view(4, 3)
Y = torch.tensor([0, 1, 2, 0])
IMAGE = torch.linspace(-1, 1, 36).view(1, 1, 6, 6)


def backward() -> Tensor:
    x = X.clone().requires_grad_()
    x.square().sum().backward()
    assert x.grad is not None
    return x.grad


CALLS: dict[str, tuple[Any, str, Callable[[], Any]]] = {
    "relu": (F, "relu", lambda: F.relu(X)),
    "relu in a module": (F, "relu", lambda: nn.ReLU()(X)),
    "cross_entropy": (F, "cross_entropy", lambda: nn.CrossEntropyLoss()(X, Y)),
    "l1_loss": (F, "l1_loss", lambda: F.l1_loss(X, X + 1)),
    "dropout": (F, "dropout", lambda: F.dropout(X, 0.5)),
    "softmax": (F, "softmax", lambda: F.softmax(X, -1)),
    "layer_norm": (F, "layer_norm", lambda: nn.LayerNorm(3)(X)),
    "pool": (F, "max_pool2d", lambda: F.max_pool2d(IMAGE, 2)),
    "fractional pool": (
        F,
        "fractional_max_pool2d",
        lambda: F.fractional_max_pool2d(IMAGE, 2, 3, _random_samples=torch.zeros(1, 1, 2)),
    ),
    "unique": (torch.functional, "unique", lambda: torch.functional.unique(Y)),
    "meshgrid": (torch.functional, "meshgrid", lambda: torch.functional.meshgrid(X[0], X[1], indexing="ij")),
    "norm": (Tensor, "norm", lambda: X.norm()),
    "subtraction": (Tensor, "__rsub__", lambda: 1 - X),
    "backward": (Tensor, "backward", backward),
    "a function in C++": (torch, "tanh", lambda: torch.tanh(X)),
    "a method in C++": (Tensor, "tanh", lambda: X.tanh()),
    "an operator in C++": (Tensor, "__add__", lambda: X + 1),
    "a layer": (nn.Linear, "forward", lambda: nn.Linear(3, 2)(X)),
}


class Wrapper:
    """A callable object around a function."""

    def __init__(self, original: Any, told: list[str]) -> None:
        self.original = original
        self.told = told

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.told.append("called")
        return self.original(*args, **kwargs)


def doubled(original: Any, told: list[str]) -> Any:
    """Two wrappers around each other, the inner one without a trace of what it wraps."""

    def inner(*args: Any, **kwargs: Any) -> Any:
        told.append("inner")
        return original(*args, **kwargs)

    @functools.wraps(original)
    def outer(*args: Any, **kwargs: Any) -> Any:
        told.append("outer")
        return inner(*args, **kwargs)

    return outer


def seen(call: Callable[[], Any], told: list[str]) -> tuple[list[str], Any]:
    told.clear()
    torch.manual_seed(0)
    result = call()
    return list(told), result


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wrap", [doubled, Wrapper])
def test_a_wrapper_runs_as_often_as_without_the_lens(
    name: str, wrap: Callable[[Any, list[str]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, attribute, call = CALLS[name]
    told: list[str] = []
    if wrap is Wrapper and isinstance(owner, type):
        pytest.skip("an object in a class is no method")
    monkeypatch.setattr(owner, attribute, wrap(getattr(owner, attribute), told))
    expected, result = seen(call, told)
    assert expected
    with Patient().around_operations((), lambda call: call.proceed()):
        found, same = seen(call, told)
    assert found == expected
    torch.testing.assert_close(same, result, rtol=0, atol=0)


def test_an_operation_behind_a_wrapper_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = F.relu, []

    def relu(input: Tensor, inplace: bool = False) -> Tensor:
        return original(input, inplace) * 2

    def leaky(call: FunctionCall) -> Tensor:
        calls.append(call.op)
        return call.become(F.leaky_relu(call.operand))

    monkeypatch.setattr(F, "relu", relu)
    with Patient().around_operations(("relu",), leaky):
        result = F.relu(X)
    assert calls == ["relu"]
    assert torch.equal(result, F.leaky_relu(X) * 2)
