"""Gates: second moments of products."""

import pytest
import torch
from support.oracle import GATES
from torch import nn
from torch.nn import functional

from gradmedic.base.errors import ActivationError, TheoryError
from gradmedic.theory.activations import activation, all_gates, gate
from gradmedic.theory.activations.gates import SwiGlu
from gradmedic.theory.kernels.gain import gain
from gradmedic.theory.kernels.gate_moments import gate_moments


@pytest.mark.parametrize("name", GATES)
def test_moments_meet_the_oracle(name: str) -> None:
    for q, *known in GATES[name]:
        found = gate_moments(name, q)
        assert [found.y2, found.y4, found.dy_du2, found.dy_dv2] == pytest.approx(known, rel=1e-9)


def test_the_gate_of_torch_is_glu() -> None:
    x = torch.randn(3, 8)
    v, u = x.chunk(2, -1)
    assert torch.equal(all_gates()["glu"]().f(u, v), functional.glu(x))


def test_inputs_may_differ_in_size() -> None:
    torch.manual_seed(0)
    u, v = torch.randn(2, 1_000_000, dtype=torch.float64)
    sampled = (functional.silu(2 * u) * 3 * v).square().mean()
    assert gate_moments("swiglu", 4.0, 9.0).y2 == pytest.approx(float(sampled), rel=0.02)


def test_a_gate_is_not_an_activation() -> None:
    with pytest.raises(ActivationError, match="two inputs"):
        activation("swiglu")
    with pytest.raises(ActivationError, match="there are bilinear, geglu"):
        gate_moments("relu", 1.0)


def test_gates_are_found_by_name_module_and_function() -> None:
    assert gate("SwiGLU") == gate(SwiGlu) == gate(SwiGlu())
    assert gate(nn.GLU()) == gate(nn.GLU) == gate(functional.glu) == gate("glu")
    assert gate(nn.ReLU()) is None


def test_the_gain_of_a_gate_is_that_of_the_layer_behind_it() -> None:
    torch.manual_seed(0)
    u, v = torch.randn(2, 1000, 1000)
    out = functional.silu(u) * v @ (torch.randn(1000, 1000) * gain("swiglu", "forward") / 1000**0.5)
    assert float(out.square().mean()) == pytest.approx(1, rel=0.05)
    assert gain("bilinear", "backward") == pytest.approx(0.5**0.5)
    with pytest.raises(TheoryError, match="normalize before it"):
        gain("swiglu")
