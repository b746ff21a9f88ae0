from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from math import fsum, inf, isfinite, nan, sqrt
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference
from support.library import library, read_by
from torch import Tensor, nn

from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.probe.reading import statistics
from gradmedic.probe.reading.meter import Meter
from gradmedic.probe.reading.saturation import saturation
from gradmedic.probe.reading.statistics import Number, norm, unit_activity, value_reading
from gradmedic.recording.recorder import Recorder

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


WAYS = ["torch", "torch, in pieces", *(["library"] if library() is not None else [])]


@contextmanager
def read(way: str) -> Iterator[None]:
    """Have torch read, small tensors in the way of large ones, or the library."""
    pieces = mock.patch.multiple(statistics, LARGE=3, _pieces=lambda flat: flat.split(2))
    with read_by(library() if way == "library" else None), pieces if "pieces" in way else nullcontext():
        yield


@pytest.fixture(
    params=[None, library()] if library() is not None else [None], ids=["torch", "library"][: len(WAYS) - 1]
)
def either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have torch read, then the library, where a compiler is at hand."""
    with read_by(request.param):
        yield


@pytest.fixture
def torch_alone() -> Iterator[None]:
    """Have torch read."""
    with read_by(None):
        yield


def floats(reading: Number | Sequence[Number] | None) -> list[float]:
    assert reading is not None
    numbers: Sequence[Number] = reading if isinstance(reading, Sequence) else [reading]
    tensors = [number for number in numbers if isinstance(number, Tensor)]
    assert all(number.dtype is torch.float64 for number in tensors)
    assert all(number.dim() == 0 and not number.requires_grad for number in tensors)
    return [float(number) for number in numbers]


def close(seen: float, true: float, size: float = 0.0) -> bool:
    return seen == pytest.approx(true, rel=1e-6, abs=1e-12 * size)


@settings(deadline=None)
@given(t=tensors(finite=True), way=st.sampled_from(WAYS))
def test_a_norm_is_that_of_the_reference(t: Tensor, way: str) -> None:
    with read(way):
        reading = norm(t)
    if t.numel() == 0:
        assert reading is None
    else:
        assert close(floats(reading)[0], reference.norm(t))


@settings(deadline=None)
@given(t=tensors(finite=True), way=st.sampled_from(WAYS))
def test_values_are_read_as_by_the_reference(t: Tensor, way: str) -> None:
    with read(way):
        reading = value_reading(t)
    if t.numel() == 0 or t.is_sparse:
        assert reading is None
        return
    entries = reference.entries(t)
    size, total, low, high, nonzero = floats(reading)
    assert close(size, reference.norm(t))
    assert close(total, fsum(entries), len(entries) * max(map(abs, entries)))
    assert close(low, min(entries))
    assert close(high, max(entries))
    assert close(nonzero, reference.nonzero(t))


@settings(deadline=None)
@given(t=tensors(), way=st.sampled_from(WAYS))
def test_a_norm_is_finite_just_where_all_entries_are(t: Tensor, way: str) -> None:
    with read(way):
        size, values = norm(t), value_reading(t)
    if t.numel():
        sound = len(reference.finite(t)) == t.numel()
        assert isfinite(floats(size)[0]) is sound
        assert t.is_sparse or isfinite(floats(values)[0]) is sound


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


@pytest.mark.usefixtures("either_way")
def test_tiny_gradients_of_float32_have_a_size() -> None:
    assert floats(norm(torch.full((100,), 1e-30))) == [pytest.approx(1e-29)]


@pytest.mark.usefixtures("either_way")
def test_large_tensors_are_read_whole_but_for_zeros() -> None:
    torch.manual_seed(0)
    t = torch.randn(1 << 21)
    t[12345] = 100.0
    size, total, _, high, _ = floats(value_reading(t))
    assert high == 100.0
    assert size == pytest.approx(float(t.double().norm()))
    assert total == pytest.approx(float(t.double().sum()))
    t[54321] = nan
    assert not isfinite(*floats(norm(t)))


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("width", [512, 1000, 1024, 4096])
def test_zeros_of_large_matrices_are_estimated_whatever_their_pattern(width: int) -> None:
    t = torch.zeros((1 << 22) // width, width)
    t[:, : width // 8] = 1.0
    for matrix in (t, t.t(), t.t().contiguous()):
        *_, nonzero = floats(value_reading(matrix))
        assert nonzero / matrix.numel() == pytest.approx(0.125, abs=0.02)


@pytest.mark.usefixtures("either_way")
def test_large_expanded_tensors_are_exact_and_cheap() -> None:
    t = torch.tensor([0.0, 1.0, 2.0, 3.0]).expand(1 << 20, 4)
    size, _, _, _, nonzero = floats(value_reading(t))
    assert size == floats(norm(t))[0] == pytest.approx(sqrt(14 * (1 << 20)))
    assert nonzero == 3 * (1 << 20)


class Wrapped(Tensor):
    """A tensor that does things of its own when it is computed with, as a distributed one does."""

    @classmethod
    def __torch_dispatch__(cls, *_: Any) -> Any:
        raise AssertionError("a reading must not compute with it")


ODD: dict[str, Callable[[], Any]] = {
    "without storage": lambda: torch.empty(3, device="meta"),
    "wrapped": lambda: torch.Tensor._make_subclass(Wrapped, torch.ones(3)),
    "not yet made": lambda: nn.parameter.UninitializedParameter(),
    "quantized": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "laid out for oneDNN": lambda: torch.ones(3).to_mkldnn(),
    "of bits": lambda: torch.ones(3, dtype=torch.uint8).view(torch.bits8),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
}


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("odd", ODD)
def test_what_cannot_be_read_has_no_reading(odd: str) -> None:
    thing = ODD[odd]()
    assert norm(thing) is None
    assert value_reading(thing) is None
    assert unit_activity(thing, 0) is None


READINGS: list[tuple[str, Callable[[Tensor], object]]] = [
    ("linalg.vector_norm", norm),
    ("aminmax", value_reading),
    ("amax", lambda t: unit_activity(t, 0)),
    ("count_nonzero", lambda t: saturation("sigmoid", t)),
    ("amax", lambda t: saturation("softmax", t)),
]


@pytest.mark.usefixtures("torch_alone")
@pytest.mark.parametrize(("name", "reading"), READINGS)
def test_a_function_that_torch_lacks_is_no_tensor_without_a_reading(
    name: str, reading: Callable[[Tensor], object]
) -> None:
    with mock.patch(f"torch.{name}", side_effect=AttributeError("gone")), pytest.raises(AttributeError, match="gone"):
        reading(torch.ones(2, 3))
    with mock.patch(f"torch.{name}", side_effect=NotImplementedError("no kernel")):
        assert reading(torch.ones(2, 3)) is None


@pytest.mark.usefixtures("torch_alone")
def test_what_cannot_be_measured_is_reported_and_never_taken_for_not_finite() -> None:
    recorder = Recorder({})
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loop() -> None:
        broken = mock.patch("torch.linalg.vector_norm", side_effect=AttributeError("gone"))
        with broken, Probe(recorder, Settings(every=1)):
            for _ in range(3):
                model(torch.ones(2, 2)).sum().backward()
                optimizer.step()

    with pytest.warns(GradmedicWarning, match="gone"):
        loop()
    recording = recorder.recording()
    assert any("gone" in event.data["error"] for event in recording.events_of("failure"))
    assert not recording.events_of("non-finite")
    assert not [row for c in recording.captures for row in c.parameters.values() if "grad_bad" in row]


@pytest.mark.usefixtures("either_way")
def test_a_gradient_without_a_norm_is_left_out_of_a_capture() -> None:
    meter = Meter()
    meter.size("bits", torch.ones(3, dtype=torch.uint8).view(torch.bits8))
    assert meter.numbers() == {}


def test_a_user_s_own_kind_of_tensor_is_read_as_a_tensor() -> None:
    class Named(Tensor):
        pass

    size = norm(torch.ones(4).as_subclass(Named))
    assert floats(size) == [2.0]
    assert type(size) in (Tensor, float)


@pytest.mark.usefixtures("either_way")
def test_readings_make_no_nodes_in_the_user_s_graph() -> None:
    t = torch.ones(4, requires_grad=True) * 2
    before = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
    norm(t)
    value_reading(t)
    unit_activity(t, 0)
    assert torch.autograd._get_sequence_nr() == before  # type: ignore[attr-defined]
