"""Plain layers with normalization."""

import pytest
from support.oracle import ACTIVATIONS

from gradmedic.theory.activations import activation
from gradmedic.theory.kernels.normalized import batchnorm_chi, layernorm_chi


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "hardsigmoid"])
def test_meets_the_oracle(name: str) -> None:
    phi = activation(ACTIVATIONS[name]["spelled"])
    assert layernorm_chi(phi) == pytest.approx(ACTIVATIONS[name]["ln_chi"], rel=1e-9)
    assert batchnorm_chi(phi) == pytest.approx(ACTIVATIONS[name]["bn_chi"], rel=1e-9)


@pytest.mark.parametrize("batch", [8, 32])
def test_without_an_activation_small_batches_explode_as_known(batch: int) -> None:
    assert batchnorm_chi(activation("identity"), batch) == pytest.approx((batch - 2) / (batch - 3), rel=0.01)


@pytest.mark.parametrize(("batch", "known"), [(64, 1.493), (8, 1.790)])  # independent sampling
def test_relu_in_small_batches_explodes_more(batch: int, known: float) -> None:
    assert batchnorm_chi(activation("relu"), batch) == pytest.approx(known, rel=0.02)
