"""Kernels of pairs of inputs: against the oracle, closed forms, two-dimensional quadrature and sampling."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.oracle import ACTIVATIONS
from torch import Tensor, nn

from gradmedic.theory.activations import Activation, activation
from gradmedic.theory.activations.panels import legendre, points, value_and_slope
from gradmedic.theory.kernels.bivariate_normal import above, both_above, density
from gradmedic.theory.kernels.dual import dual, dual_of_squares
from gradmedic.theory.kernels.moments import moments
from gradmedic.theory.kernels.quadrature import averages

correlations = st.one_of(
    st.floats(-1, 1), st.floats(0, 6).map(lambda e: 1 - 10**-e), st.floats(0, 6).map(lambda e: 10**-e - 1)
)
smooth_or_straight = st.sampled_from(
    [
        "relu",
        "leaky_relu(-0.5)",
        "tanh",
        "gelu",
        "silu",
        "mish",
        "sigmoid",
        "erf",
        "hardtanh",
        "softshrink",
        "hardshrink",
    ]
)


def number(x: float) -> Tensor:
    return torch.tensor([x], dtype=torch.float64)


def by_quadrature(phi: Activation, q1: float, q2: float, c: float) -> tuple[float, float]:
    """Both kernels by nested adaptive quadrature: given u, v is Gaussian with mean c u."""
    r = math.sqrt((1 - c) * (1 + c))
    kinks = [k / math.sqrt(q2) for k in phi.kinks]

    def inner(u: Tensor) -> Tensor:
        edges = sorted(
            {*range(-9, 10), *[(k - c * float(u)) / r for k in kinks], *[(x - c * float(u)) / r for x in (-1, 1)]}
        )
        ends = torch.tensor([e for e in edges if abs(e) <= 9], dtype=torch.float64)
        return averages(
            lambda z: torch.stack(value_and_slope(phi.f, math.sqrt(q2) * (c * u + r * z))),
            torch.stack([ends[:-1], ends[1:]], 1),
        )

    edges = {*(k / 2 for k in range(-16, 17)), *(k / math.sqrt(q1) for k in phi.kinks), *(k / c for k in kinks if c)}
    # Where v passes its kink, the inner average turns within a few r.
    edges |= {k / c + step * r for k in kinks if c for step in (-6, -3, -1, 0, 1, 3, 6)}
    ends = torch.tensor(sorted(e for e in edges if abs(e) <= 8), dtype=torch.float64)
    u, half = points(torch.stack([ends[:-1], ends[1:]], 1))
    weights = (half * legendre()[1] * density(u)).flatten()
    outer = torch.stack(value_and_slope(phi.f, math.sqrt(q1) * u.flatten()))
    given_u = torch.stack([inner(x) for x in u.flatten()], 1)
    one, other = (outer * given_u * weights).sum(1).tolist()
    return one, other


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if ACTIVATIONS[name]["kernel"]])
def test_kernels_meet_the_oracle(name: str) -> None:
    phi, known = activation(ACTIVATIONS[name]["spelled"]), ACTIVATIONS[name]["kernel"]
    found = torch.stack(dual(phi, 1.0, 1.0, torch.tensor([float(c) for c in known], dtype=torch.float64)))
    size = torch.stack(dual(phi, 1.0, 1.0, number(1.0)))
    assert torch.allclose(
        found / size, torch.tensor(list(known.values()), dtype=torch.float64).T / size, atol=2e-8, rtol=0
    )


@pytest.mark.parametrize("name", ["relu", "elu", "gelu", "hardtanh", "softsign"])
@pytest.mark.parametrize(("q1", "q2", "c"), [(1.0, 1.0, 0.999), (1.0, 3.0, -0.9), (0.3, 0.31, 0.99)])
def test_kernels_meet_two_dimensional_quadrature(name: str, q1: float, q2: float, c: float) -> None:
    phi = activation(name)
    found = [float(k) for k in dual(phi, q1, q2, number(c))]
    assert found == pytest.approx(by_quadrature(phi, q1, q2, c), abs=3e-6)


@given(smooth_or_straight, st.floats(-3, 0.5).map(lambda e: 10.0**e), correlations)
def test_kernels_of_values_grow_by_those_of_slopes(name: str, q: float, c: float) -> None:
    """Plackett: d/dc E[f(u) f(v)] = q E[f'(u) f'(v)], for functions that do not jump."""
    if name == "hardshrink" or abs(c) > 0.99:
        return
    phi, h = activation(name), 1e-5
    low, high = dual(phi, q, q, torch.tensor([c - h, c + h], dtype=torch.float64))[0].tolist()
    assert (high - low) / (2 * h) == pytest.approx(q * float(dual(phi, q, q, number(c))[1]), abs=1e-6 * q, rel=1e-5)


@given(smooth_or_straight, st.floats(-3, 3).map(lambda e: 10.0**e))
def test_an_input_with_itself_has_the_second_moment(name: str, q: float) -> None:
    m = moments(activation(name), q)
    values, slopes = dual(activation(name), q, q, number(1.0))
    assert float(values) == pytest.approx(m.m2, rel=1e-6)
    assert float(slopes) == pytest.approx(m.d2, rel=1e-6)
    far = dual(activation(name), q, q, number(0.0))
    assert float(far[0]) == pytest.approx(m.m1**2, abs=1e-7 * m.m2 + 1e-13)
    assert float(far[1]) == pytest.approx(m.d1**2, rel=1e-6, abs=1e-9)


@given(
    smooth_or_straight, st.floats(-2, 2).map(lambda e: 10.0**e), st.floats(-2, 2).map(lambda e: 10.0**e), correlations
)
def test_kernels_are_symmetric_and_bounded(name: str, q1: float, q2: float, c: float) -> None:
    phi = activation(name)
    one, other = dual(phi, q1, q2, number(c)), dual(phi, q2, q1, number(c))
    for kernel, mirrored, key in zip(one, other, ("m2", "d2"), strict=True):
        bound = math.sqrt(getattr(moments(phi, q1), key) * getattr(moments(phi, q2), key))
        assert float(kernel) == pytest.approx(float(mirrored), abs=1e-9 * bound)
        assert abs(float(kernel)) <= bound * (1 + 2e-3) + 1e-12


@given(st.floats(-2, 2), correlations)
def test_leaky_rectifiers_have_arc_cosine_kernels(slope: float, c: float) -> None:
    values, slopes = dual(activation("leaky_relu", negative_slope=slope), 2.0, 3.0, number(c))
    angle = math.acos(c)

    def arc(angle: float) -> tuple[float, float]:
        rest = math.pi - angle
        return (math.sin(angle) + rest * math.cos(angle)) / (2 * math.pi), rest / (2 * math.pi)

    (one, zero), (against, zero_against) = arc(angle), arc(math.pi - angle)
    assert float(values) == pytest.approx(math.sqrt(6) * ((1 + slope**2) * one - 2 * slope * against), abs=1e-9)
    assert float(slopes) == pytest.approx((1 + slope**2) * zero + 2 * slope * zero_against, abs=1e-8)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-0.999, 0.999))
def test_quadrants_meet_one_dimensional_quadrature(a: float, b: float, c: float) -> None:
    r = math.sqrt(1 - c * c)
    ends = torch.tensor(
        sorted({a, *(x for k in range(-80, 81) for x in (k / 8, b / (c or 1) + k * r / 4) if a < x < 10)})
    )
    panels = torch.stack([ends[:-1], ends[1:]], 1).double()
    known = averages(lambda z: above((b - c * z) / r)[None], panels)
    assert float(both_above(number(a), number(b), number(c))) == pytest.approx(float(known), abs=1e-6)


def test_shapes_are_broadcast() -> None:
    q = torch.tensor([0.5, 1.0, 2.0])
    c = torch.eye(3).double() * 0.5 + 0.5
    values, slopes = dual(activation("gelu"), q[:, None], q[None], c)
    assert values.shape == slopes.shape == (3, 3)
    assert torch.allclose(values, values.T)
    assert values.diagonal().tolist() == pytest.approx([moments(activation("gelu"), x).m2 for x in (0.5, 1.0, 2.0)])


def test_kernels_meet_samples() -> None:
    torch.manual_seed(0)
    u, w = torch.randn(2, 400_000, dtype=torch.float64)
    v = 0.6 * u + 0.8 * w
    for name in ("elu", "hardswish", "threshold(0.3, 2)"):
        phi = activation(name)
        (f, d), (g, e) = value_and_slope(phi.f, 1.5 * u), value_and_slope(phi.f, 0.7 * v)
        found = [*dual(phi, 2.25, 0.49, number(0.6)), *dual_of_squares(phi, 2.25, 0.49, number(0.6))]
        for kernel, product in zip(found, (f * g, d * e, (f * g) ** 2, (d * e) ** 2, (f * e) ** 2), strict=True):
            assert abs(float(kernel - product.mean())) < 5 * float(product.std()) / 400_000**0.5


def test_separate_draws_meet_in_the_mean_and_separate_units_do_not() -> None:
    c = number(0.5)
    mean = activation("leaky_relu", negative_slope=(1 / 8 + 1 / 3) / 2)
    assert float(dual(activation("rrelu"), 1, 1, c)[0]) == pytest.approx(float(dual(mean, 1, 1, c)[0]))
    module = nn.PReLU(2)
    module.weight.data = torch.tensor([0.0, 1.0])
    relu, line = (float(dual(activation(name), 1, 1, c)[0]) for name in ("relu", "identity"))
    assert float(dual(activation(module), 1, 1, c)[0]) == pytest.approx((relu + line) / 2)
