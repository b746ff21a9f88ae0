from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from math import fsum, inf, isfinite, nan, sqrt
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference
from torch import Tensor, nn

from gradmedic.probe.reading import statistics
from gradmedic.probe.reading.statistics import (
    bad_count,
    grad_numbers,
    grad_reading,
    unit_activity,
    value_numbers,
    value_reading,
)

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.int64, torch.bool]
ARRANGEMENTS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda t: t,
    "transposed": lambda t: t.movedim(0, -1),
    "expanded": lambda t: t.unsqueeze(1).expand(-1, 3, *t.shape[1:]),
    "expanded scalar": lambda t: t.flatten()[0].expand(4, 5) if t.numel() else t,
    "sliced": lambda t: t[::2],
    "every second": lambda t: t.flatten()[::2],
    "differentiable": lambda t: t.clone().requires_grad_().mul(1) if t.is_floating_point() else t,
    "sparse": lambda t: t.to_sparse(),
    "parameter": lambda t: nn.Parameter(t, requires_grad=t.is_floating_point()),
}


@st.composite
def tensors(draw: st.DrawFn, finite: bool = False) -> Tensor:
    shape = torch.Size(draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    dtype = draw(st.sampled_from(DTYPES))
    extremes = [0.0, -0.0, 1.0, -2.5, 1e-30, 3e-38, 1e4]
    if dtype.is_floating_point or dtype.is_complex:
        extremes += [] if dtype is torch.float16 else [1e30]
        extremes += [] if finite else [nan, inf, -inf]
    numbers = draw(st.lists(st.sampled_from(extremes), min_size=shape.numel(), max_size=shape.numel()))
    plain = torch.tensor(numbers, dtype=torch.float64).to(dtype).view(shape)
    return draw(st.sampled_from(list(ARRANGEMENTS.values())))(plain)


def taken_in_pieces(yes: bool) -> AbstractContextManager[Any]:
    """Let small tensors go the way of large ones."""
    return mock.patch.multiple(statistics, LARGE=3, _pieces=lambda flat: flat.split(2)) if yes else nullcontext()


def floats(reading: list[Tensor] | None) -> list[float]:
    assert reading is not None
    assert all(number.dtype is torch.float64 for number in reading)
    assert all(number.dim() == 0 and not number.requires_grad for number in reading)
    return [float(number) for number in reading]


def close(seen: float, true: float, size: float = 0.0) -> bool:
    return seen == pytest.approx(true, rel=1e-6, abs=1e-12 * size)


@settings(deadline=None)
@given(t=tensors(finite=True), pieces=st.booleans())
def test_a_gradient_is_read_as_by_the_reference(t: Tensor, pieces: bool) -> None:
    with taken_in_pieces(pieces):
        reading = grad_reading(t, zeros=True)
    if t.numel() == 0:
        assert reading is None
        return
    norm, nonzero = floats(reading)
    assert close(norm, reference.norm(t))
    assert close(nonzero, reference.nonzero(t))
    numbers = grad_numbers([norm, nonzero], t.numel())
    assert close(numbers["grad_rms"], reference.norm(t) / sqrt(t.numel()))
    assert close(numbers["grad_zero"], 1 - reference.nonzero(t) / t.numel(), 1e4)
    assert numbers["grad_bad"] == 0


@settings(deadline=None)
@given(t=tensors(finite=True), pieces=st.booleans())
def test_values_are_read_as_by_the_reference(t: Tensor, pieces: bool) -> None:
    with taken_in_pieces(pieces):
        reading = value_reading(t)
    if t.numel() == 0:
        assert reading is None
        return
    numbers, entries = value_numbers(floats(reading), t.numel()), reference.entries(t)
    size = max(map(abs, entries))
    assert close(numbers["value_rms"], reference.norm(t) / sqrt(t.numel()))
    assert close(numbers["value_mean"], fsum(entries) / len(entries), size)
    assert close(numbers["value_min"], min(entries))
    assert close(numbers["value_max"], max(entries))
    assert close(numbers["value_zero"], entries.count(0) / len(entries), 1e4)
    assert numbers["value_bad"] == 0


@settings(deadline=None)
@given(t=tensors())
def test_an_exact_reading_is_of_the_finite_entries(t: Tensor) -> None:
    reading, entries, finite = value_reading(t, exact=True), reference.entries(t), reference.finite(t)
    if not entries:
        assert reading is None
        return
    numbers = value_numbers(floats(reading), len(entries), "input")
    assert close(numbers["input_bad"], 1 - len(finite) / len(entries), 1e4)
    assert bad_count(t.to_dense()) == len(entries) - len(finite)
    if finite:
        assert close(numbers["input_rms"], reference.norm(t) / sqrt(len(finite)))
        assert close(numbers["input_mean"], fsum(finite) / len(finite), max(map(abs, finite)))
        assert close(numbers["input_min"], min(finite))
        assert close(numbers["input_max"], max(finite))
    else:
        assert set(numbers) == {"input_bad", "input_zero"}


@settings(deadline=None)
@given(t=tensors(), pieces=st.booleans())
def test_a_norm_is_finite_just_where_all_entries_are(t: Tensor, pieces: bool) -> None:
    with taken_in_pieces(pieces):
        gradient, values = grad_reading(t), value_reading(t)
    if t.numel():
        sound = len(reference.finite(t)) == t.numel()
        assert isfinite(floats(gradient)[0]) is isfinite(floats(values)[0]) is sound
        assert ("grad_rms" in grad_numbers(floats(gradient), t.numel())) is sound
        assert ("value_rms" in value_numbers(floats(values), t.numel())) is sound


@settings(deadline=None)
@given(t=tensors(), data=st.data())
def test_units_are_active_where_the_reference_finds_them_so(t: Tensor, data: st.DataObject) -> None:
    dim = data.draw(st.integers(-t.dim(), t.dim() - 1))
    activity = unit_activity(t, dim)
    if t.numel() == 0 or t.is_sparse:
        assert activity is None
    else:
        assert activity is not None
        assert activity.tolist() == reference.active_units(t, dim)


def test_tiny_gradients_of_float32_have_a_size() -> None:
    (norm,) = floats(grad_reading(torch.full((100,), 1e-30)))
    assert norm == pytest.approx(1e-29)


def test_large_tensors_are_read_whole_but_for_zeros() -> None:
    torch.manual_seed(0)
    t = torch.randn(1 << 21)
    t[12345] = 100.0
    numbers = value_numbers(floats(value_reading(t)), t.numel())
    assert numbers["value_max"] == 100.0
    assert numbers["value_rms"] == pytest.approx(float(t.double().pow(2).mean().sqrt()))
    assert numbers["value_mean"] == pytest.approx(float(t.double().mean()))
    t[54321] = nan
    assert not isfinite(floats(grad_reading(t))[0])


@pytest.mark.parametrize("width", [512, 1000, 1024, 4096])
def test_zeros_of_large_matrices_are_estimated_whatever_their_pattern(width: int) -> None:
    t = torch.zeros((1 << 22) // width, width)
    t[:, : width // 8] = 1.0
    for matrix in (t, t.t(), t.t().contiguous()):
        numbers = grad_numbers(floats(grad_reading(matrix, zeros=True)), matrix.numel())
        assert numbers["grad_zero"] == pytest.approx(0.875, abs=0.02)


def test_large_expanded_gradients_are_exact_and_cheap() -> None:
    t = torch.tensor([0.0, 1.0, 2.0, 3.0]).expand(1 << 20, 4)
    norm, nonzero = floats(grad_reading(t, zeros=True))
    assert norm == pytest.approx(sqrt(14 * (1 << 20)))
    assert nonzero == 3 * (1 << 20)


class Wrapped(Tensor):
    """A tensor that does things of its own when it is computed with, as a distributed one does."""

    @classmethod
    def __torch_dispatch__(cls, *_: Any) -> Any:
        raise AssertionError("a reading must not compute with it")


ODD: dict[str, Callable[[], Any]] = {
    "no tensor": lambda: 3.0,
    "nothing": lambda: None,
    "without storage": lambda: torch.empty(3, device="meta"),
    "wrapped": lambda: torch.Tensor._make_subclass(Wrapped, torch.ones(3)),
    "not yet made": lambda: nn.parameter.UninitializedParameter(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_cannot_be_read_has_no_reading(odd: str) -> None:
    thing = ODD[odd]()
    assert grad_reading(thing, zeros=True) is None
    assert value_reading(thing) is None
    assert value_reading(thing, exact=True) is None
    assert bad_count(thing) is None
    assert unit_activity(thing, 0) is None


def test_a_user_s_own_kind_of_tensor_is_read_as_a_tensor() -> None:
    class Named(Tensor):
        pass

    reading = grad_reading(torch.ones(4).as_subclass(Named))
    assert floats(reading) == [2.0]
    assert reading is not None
    assert type(reading[0]) is Tensor


def test_readings_make_no_nodes_in_the_user_s_graph() -> None:
    t = torch.ones(4, requires_grad=True) * 2
    before = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
    grad_reading(t, zeros=True)
    value_reading(t)
    unit_activity(t, 0)
    assert torch.autograd._get_sequence_nr() == before  # type: ignore[attr-defined]
