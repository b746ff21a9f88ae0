"""Random numbers with the properties that they are drawn for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from gradmedic.prediction.init.draws import Draw

shapes = st.one_of(
    st.tuples(st.tuples(st.integers(2, 40), st.integers(2, 40)), st.sampled_from([(0,), (1,)])),
    st.tuples(st.tuples(st.integers(2, 12), st.integers(2, 12), st.integers(1, 3)), st.sampled_from([(1, 2), (0, 2)])),
    st.tuples(st.tuples(st.integers(1, 3), st.integers(2, 12), st.integers(2, 12)), st.sampled_from([(1,), (2,)])),
)


def drawn(draw: Draw, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return draw.values(shape, torch.device("cpu"), Generator().manual_seed(seed))


@given(shapes, st.floats(1e-4, 1e4), st.integers(0, 5))
def test_orthogonal_entries_have_the_mean_square_whatever_the_shape(
    case: tuple[tuple[int, ...], tuple[int, ...]], variance: float, seed: int
) -> None:
    shape, summed = case
    values = drawn(Draw("orthogonal", variance, summed), shape, seed)
    assert values.shape == shape
    assert float(values.square().mean()) == pytest.approx(variance, rel=1e-4)


@given(shapes, st.sampled_from(["orthogonal", "normal", "uniform"]))
def test_balanced_units_sum_to_zero(case: tuple[tuple[int, ...], tuple[int, ...]], law: str) -> None:
    shape, summed = case
    values = drawn(Draw(law, 1.0, summed, balanced=True), shape)
    assert float(values.sum(summed).abs().max()) < 1e-3
    assert float(values.square().mean()) > 0.05


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 3))
def test_units_are_at_right_angles(rows: int, columns: int, taps: int) -> None:
    matrix = drawn(Draw("orthogonal", 1.0, (1, 2)), (rows, columns, taps)).flatten(1)
    gram = matrix @ matrix.T if rows <= columns * taps else matrix.T @ matrix
    assert torch.allclose(gram, gram[0, 0] * torch.eye(len(gram)), atol=1e-3 * float(gram[0, 0]))


def test_gates_are_drawn_each_for_itself() -> None:
    values = drawn(Draw("orthogonal", 1 / 8, blocks=4), (32, 8))
    for gate in values.reshape(4, 8, 8):
        assert torch.allclose(gate @ gate.T, torch.eye(8), atol=1e-5)
