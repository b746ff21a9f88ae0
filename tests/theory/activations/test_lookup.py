"""Whatever people call an activation, it is found; whatever is none is refused with a reason."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradmedic.base.errors import ActivationError
from gradmedic.theory.activations import Activation, activation, of_operation
from gradmedic.theory.activations.elu import Elu
from gradmedic.theory.activations.gelu import Gelu
from gradmedic.theory.activations.hardtanh import Hardtanh
from gradmedic.theory.activations.leaky_relu import LeakyRelu, Prelu, Rrelu
from gradmedic.theory.activations.relu import Relu
from gradmedic.theory.activations.silu import Silu
from gradmedic.theory.activations.softplus import Softplus

MEANT: list[tuple[Any, Activation]] = [
    ("relu", Relu()),
    ("ReLU", Relu()),
    ("nn.ReLU(inplace=True)", Relu()),
    (nn.ReLU, Relu()),
    (Relu, Relu()),
    (torch.relu_, Relu()),
    (Tensor.relu, Relu()),
    ("swish", Silu()),
    ("leaky-relu", LeakyRelu()),
    ("leaky_relu(0.2)", LeakyRelu(0.2)),
    ("LeakyReLU(negative_slope=0.2)", LeakyRelu(0.2)),
    (nn.LeakyReLU(0.2), LeakyRelu(0.2)),
    (partial(functional.leaky_relu, negative_slope=0.2), LeakyRelu(0.2)),
    ("gelu_tanh", Gelu("tanh")),
    (nn.GELU(approximate="tanh"), Gelu("tanh")),
    (repr(nn.GELU("tanh")), Gelu("tanh")),
    (repr(nn.PReLU(3)), Prelu()),
    (nn.PReLU(3, init=0.5), Prelu(0.5)),
    (nn.PReLU(device="meta"), Prelu(0.25)),
    (nn.Softplus(2, 10), Softplus(2, 10)),
    (functional.rrelu, Rrelu(training=False)),
    (nn.RReLU().eval(), Rrelu(training=False)),
    (nn.RReLU(0.1, 0.2), Rrelu(0.1, 0.2)),
]


@pytest.mark.parametrize(("it", "meant"), MEANT, ids=[str(it).partition(" at 0x")[0] for it, _ in MEANT])
def test_finds_what_is_meant(it: Any, meant: Activation) -> None:
    assert activation(it) == meant


def test_takes_parameters_by_name() -> None:
    assert activation("softplus", beta=3.0) == Softplus(3.0)
    assert activation(nn.ELU, alpha=2.0) == Elu(2.0)
    assert activation(Elu(), alpha=2.0) == Elu(2.0)
    assert activation(functional.leaky_relu, negative_slope=0.2) == LeakyRelu(0.2)


@pytest.mark.parametrize(
    ("it", "reason"),
    [
        ("reluu", "did you mean 'relu'"),
        ("qqq", "gradmedic activations"),
        ("leaky_relu(", "is not a name with parameters"),
        ("leaky_relu(alpha=0.1)", "leaky_relu has no parameter 'alpha'; it has negative_slope"),
        (nn.Softmax(-1), "does not act on each element by itself"),
        (nn.Dropout(), "does not act on each element by itself"),
        (nn.Linear(2, 2), "cannot be applied"),
        (torch.log, "not finite"),
        (3, "cannot be applied"),
    ],
)
def test_refuses_what_is_none_and_says_why(it: Any, reason: str) -> None:
    with pytest.raises(ActivationError, match=reason):
        activation(it)
    with pytest.raises(ValueError, match=reason):
        activation(it)


@pytest.mark.parametrize(
    ("function", "meant"),
    [
        (functional.relu, Relu()),
        (functional.relu6, Hardtanh(0.0, 6.0)),
        (lambda x: x.clamp(min=0.5), Hardtanh(0.5, torch.inf)),
        (lambda x: functional.gelu(x, approximate="tanh"), Gelu("tanh")),
        (lambda x: functional.rrelu(x, training=True), Rrelu()),
        (lambda x: functional.softplus(x, 2), Softplus(2)),
        (lambda x: functional.prelu(x, torch.tensor([0.3], dtype=torch.float64)), Prelu(0.3)),
    ],
)
def test_is_found_from_what_a_graph_node_has_saved(function: Callable[[Tensor], Tensor], meant: Activation) -> None:
    op, saved = node_of(function)
    assert of_operation(op, saved) == meant


def test_a_selu_in_a_graph_is_an_elu_with_a_scale() -> None:
    op, saved = node_of(functional.selu)
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)
    found = of_operation(op, saved)
    assert found is not None
    assert torch.allclose(found.f(x), functional.selu(x), rtol=1e-12)


def test_an_operation_that_is_no_activation_is_nothing() -> None:
    assert of_operation("convolution", {}) is None


def node_of(function: Callable[[Tensor], Tensor]) -> tuple[str, dict[str, Any]]:
    """The operation's name and what its graph node has saved."""
    from gradmedic.probe.graph.node_table import operation

    node: Any = function(torch.ones(2, dtype=torch.float64, requires_grad=True)).grad_fn
    saved = {key.removeprefix("_saved_"): getattr(node, key) for key in dir(node) if key.startswith("_saved_")}
    return operation(node.name()).op, saved


def test_a_function_of_ones_own_may_work_in_place_and_in_single_precision() -> None:
    assert activation(lambda x: x.relu_()).kinks == (0.0,)
    assert activation(lambda x: x.float().tanh()).kinks == ()


def test_asking_draws_no_random_number() -> None:
    before = torch.get_rng_state()
    activation(lambda x: x * torch.sigmoid(x))
    with pytest.raises(ActivationError):
        activation(lambda x: x * torch.rand_like(x))
    assert torch.equal(torch.get_rng_state(), before)
