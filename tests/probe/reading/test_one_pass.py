"""What the C library reads is what torch reads, whatever the tensor; where it cannot be, torch reads alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from math import inf, isnan, nan
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.library import SOURCE, build_script, library, read_by
from torch import Tensor, nn

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.probe.reading import baseline_loss, one_pass
from gradmedic.probe.reading.forward_values import Activity
from gradmedic.probe.reading.saturation import saturation
from gradmedic.probe.reading.statistics import norm, value_reading
from gradmedic.recording.recorder import Recorder

COMPILER = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C compiler is at hand")

KNOWN = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.bool]
ENTRIES = [0.0, -0.0, 1.0, -2.5, 1e-30, 3e-38, 6e-8, 1e4, 1e30, nan, inf, -inf]


@pytest.fixture
def used() -> Iterator[one_pass.Library]:
    """The library, which reads what it can."""
    found = library()
    assert found is not None
    with read_by(found):
        yield found


@st.composite
def views(draw: st.DrawFn) -> Tensor:
    """Any sizes and strides, overlapping or expanded ones too, anywhere in a storage."""
    shape = draw(st.lists(st.integers(1, 6), max_size=5))
    strides = [draw(st.integers(0, 7)) for _ in shape]
    offset = draw(st.integers(0, 5))
    length = offset + 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    numbers = draw(st.lists(st.sampled_from(ENTRIES), min_size=length, max_size=length))
    whole = torch.tensor(numbers, dtype=torch.float64).to(draw(st.sampled_from(KNOWN)))
    return whole.as_strided(shape, strides, offset)


def alike(seen: float, true: float, scale: float) -> bool:
    if isnan(true) or abs(true) == inf:
        return seen == true or (isnan(seen) and isnan(true))
    return seen == pytest.approx(true, rel=1e-12, abs=1e-12 * scale)


def agree(t: Tensor) -> None:
    with read_by(library()):
        seen = one_pass.moments(t)
    with read_by(None):
        told = value_reading(t)
    assert seen is not None
    assert told is not None
    sizes = t.double().abs()
    scale = float(sizes[sizes.isfinite()].sum())
    assert [alike(a, float(b), scale) for a, b in zip(seen, told, strict=True)] == [True] * 5, (seen, told)


@needs_compiler
@settings(deadline=None)
@given(t=views())
def test_five_numbers_are_those_of_torch_whatever_the_view(t: Tensor) -> None:
    agree(t)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_every_number_of_sixteen_bits_is_read_as_torch_reads_it(dtype: torch.dtype) -> None:
    for one in torch.split(torch.arange(-(1 << 15), 1 << 15).to(torch.int16).view(dtype), 1 << 9):
        agree(one)


@needs_compiler
def test_small_numbers_of_float16_are_there_where_the_processor_flushes_those_of_float32(
    used: one_pass.Library,
) -> None:
    tiny = torch.full((9,), 2.0**-24).half()
    flushes = torch.set_flush_denormal(True)
    try:
        told = one_pass.moments(tiny)
    finally:
        torch.set_flush_denormal(False)
    assert flushes in (True, False)
    assert told == (3 * 2.0**-24, 9 * 2.0**-24, 2.0**-24, 2.0**-24, 9.0)


@needs_compiler
@pytest.mark.parametrize("length", [1, 7, 8, 31, 4095, 4096, 4097, 100_003])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_long_rows_are_read_to_their_last_entry(length: int, dtype: torch.dtype) -> None:
    torch.manual_seed(length)
    row = torch.randn(length).to(dtype)
    row[::3] = 0
    agree(row)
    agree(torch.stack([row, row], 1)[:, 0])
    row[-1] = nan
    agree(row)


@needs_compiler
@settings(deadline=None)
@given(t=views(), later=views(), data=st.data())
def test_units_are_idle_as_torch_finds_them(t: Tensor, later: Tensor, data: st.DataObject) -> None:
    if t.dim() == 0:
        return
    dim = data.draw(st.integers(0, t.dim() - 1))
    looks = [t.contiguous(), t.contiguous() * 0, t]
    told = []
    for reader in (None, library()):
        activity = Activity()
        with read_by(reader):
            told.append([tuple(map(float, activity.idle(0, look, dim) or ())) for look in looks])
    assert told[0] == [pytest.approx(pair) for pair in told[1]]


@needs_compiler
@given(
    st.sampled_from(["sigmoid", "tanh", "softsign"]),
    st.lists(st.floats(width=32, allow_nan=True), min_size=1, max_size=99),
)
def test_flat_entries_are_counted_as_torch_counts_them(op: str, numbers: list[float]) -> None:
    y = torch.tensor(numbers)
    edges = torch.tensor([0.0, 1.0, -1.0, 0.05, 0.95, 0.5 + (0.95 / 4) ** 0.5, 0.95**0.5, 1 - 0.05**0.5])
    for entries in (y, edges, edges.nextafter(torch.tensor(2.0)), edges.nextafter(torch.tensor(-2.0))):
        shares = []
        for reader in (None, library()):
            with read_by(reader):
                shares.append(float(saturation(op, entries) or 0.0))
        assert shares[0] == shares[1]


def freed() -> Tensor:
    t = torch.ones(8)
    t.untyped_storage().resize_(0)
    return t


class Own(Tensor):
    pass


NOT_FOR_IT: dict[str, Callable[[], Tensor]] = {
    "empty": lambda: torch.ones(0),
    "freed": freed,
    "freed in part": lambda: torch.ones(8).as_strided((4,), (1,), 4),
    "meta": lambda: torch.ones(3, device="meta"),
    "integer": lambda: torch.ones(3, dtype=torch.int64),
    "complex": lambda: torch.ones(3, dtype=torch.complex64),
    "negated by a bit": lambda: torch.ones(3, dtype=torch.complex64).conj().imag,
    "sparse": lambda: torch.eye(3).to_sparse(),
    "of a class of its own": lambda: torch.ones(3).as_subclass(Own),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "laid out for oneDNN": lambda: torch.ones(3).to_mkldnn(),
    "of many dimensions, every second entry": lambda: torch.ones([2] * 17)[..., :1],
}


@needs_compiler
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("kind", NOT_FOR_IT)
def test_the_library_asks_before_it_reads(kind: str, used: one_pass.Library) -> None:
    t = NOT_FOR_IT[kind]()
    if kind == "freed in part":
        t.untyped_storage().resize_(28)
    assert one_pass.moments(t) is None
    assert one_pass.outside(t, 0.0, 1.0) is None


@needs_compiler
def test_the_library_reads_nothing_inside_a_transform(used: one_pass.Library) -> None:
    told: list[object] = []

    def note(x: Tensor) -> Tensor:
        told.append(one_pass.moments(x))
        return x

    torch.vmap(note)(torch.ones(3, 2))
    torch.func.grad(lambda x: note(x).sum())(torch.ones(3))
    assert told == [None, None]
    assert one_pass.moments(nn.Parameter(torch.ones(4))) == (2.0, 4.0, 1.0, 1.0, 4.0)


def captured(reader: one_pass.Library | None) -> list[Mapping[str, float]]:
    """All numbers of a short run."""
    torch.manual_seed(0)
    recorder = Recorder({})
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 9), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(9, 5), nn.Sigmoid(), nn.Linear(5, 3))
    optimizer = torch.optim.Adam(model.parameters())
    with read_by(reader), Probe(recorder, Settings(every=1)):
        for _ in range(4):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(torch.randn(16, 1, 8, 8)), torch.arange(16) % 3)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    captures = recorder.recording().captures
    return [row for c in captures for rows in (c.sites, c.parameters) for row in rows.values()]


@needs_compiler
def test_a_capture_has_the_same_numbers_either_way() -> None:
    with_torch, with_library = captured(None), captured(library())
    assert len(with_torch) > 60
    assert [row.keys() for row in with_torch] == [row.keys() for row in with_library]
    for one, other in zip(with_torch, with_library, strict=True):
        assert other == pytest.approx(one, rel=1e-6, abs=1e-9)


def test_a_library_of_other_sources_is_not_loaded(tmp_path: Path) -> None:
    nothing, other = tmp_path / "nothing", tmp_path / "other.c"
    nothing.write_bytes(b"no library")
    assert one_pass.load(nothing, SOURCE) is None
    assert one_pass.load(tmp_path / "missing", SOURCE) is None
    if COMPILER:
        other.write_text(f"{SOURCE.read_text()}\n")
        assert build_script()["compiled"](other, tmp_path / "other")
        assert one_pass.load(tmp_path / "other", SOURCE) is None
        assert one_pass.load(tmp_path / "other", other) is not None


def test_without_a_compiler_there_is_no_library_and_it_is_said(tmp_path: Path) -> None:
    with mock.patch.dict(os.environ, PATH=str(tmp_path), CC=""):
        assert build_script()["compiled"](SOURCE, tmp_path / "library") is False
    script = SOURCE.parents[4] / "hatch_build.py"
    copy = tmp_path / "src/gradmedic/probe/reading" / SOURCE.name
    copy.parent.mkdir(parents=True)
    shutil.copy(SOURCE, copy)
    shutil.copy(script, tmp_path)
    done = subprocess.run(
        [sys.executable, str(tmp_path / script.name)], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("no C compiler is at hand")
    assert os.listdir(copy.parent) == [SOURCE.name]


def test_torch_reads_where_the_library_is_not_there() -> None:
    with read_by(None):
        assert one_pass.moments(torch.ones(4)) is None
        assert float(norm(torch.ones(4)) or 0) == 2.0


@needs_compiler
@settings(deadline=None)
@given(st.lists(views(), max_size=6))
def test_many_tensors_are_read_as_each_of_them(several: list[Tensor]) -> None:
    mixed: list[Tensor | None] = [None, torch.ones(0), *several, torch.ones(3, dtype=torch.int64)]
    with read_by(library()):
        seen = one_pass.moments_of_all(mixed)
        true = [None if t is None else one_pass.moments(t) for t in mixed]
    assert repr(seen) == repr(true)


@needs_compiler
def test_a_distance_is_the_norm_of_the_difference(used: one_pass.Library) -> None:
    torch.manual_seed(0)
    t, old = torch.randn(70, 90), torch.randn(70, 90)
    (seen,) = one_pass.distances([t], [old])
    assert seen == pytest.approx(float((t - old).double().norm()), rel=1e-12)
    others = [(t.t(), old.t()), (t.double(), old.double()), (t, old[:3]), (t, old.bfloat16()), (freed(), torch.ones(8))]
    assert one_pass.distances([a for a, _ in others], [b for _, b in others]) == [None] * len(others)
    t[3, 4] = nan
    assert isnan(one_pass.distances([t], [old])[0] or 0)


@st.composite
def weighted(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """What arrives at a log-softmax, and its result: mostly as of a cross-entropy, sometimes as of anything."""
    rows, classes = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    torch.manual_seed(draw(st.integers(0, 99)))
    told = torch.randn(rows, classes).log_softmax(1)
    kind = draw(st.sampled_from(["mean", "rewards", "ignored", "anything", "nan", "zero", "one row"]))
    target = torch.randint(0, draw(st.integers(1, classes)), (rows,))
    weights = -nn.functional.one_hot(target, classes).float() / rows
    if kind == "rewards":
        weights = weights * torch.rand(rows, 1)
    elif kind == "ignored":
        weights[::3] = 0
    elif kind == "anything":
        weights = torch.randn(rows, classes)
    elif kind == "nan":
        weights[0, 0] = nan
    elif kind == "zero":
        weights = weights * 0
    return (weights[0], told[0]) if kind == "one row" else (weights, told)


@needs_compiler
@settings(deadline=None)
@given(both=weighted(), by_class=st.booleans())
def test_a_cross_entropy_is_told_as_torch_tells_it(both: tuple[Tensor, Tensor], by_class: bool) -> None:
    weights, told = both
    vertex, found = mock.Mock(), []
    vertex.tensor.return_value = told
    vertex.node._saved_dim = told.dim() - 1
    for reader in (None, library()):
        with read_by(reader):
            part = baseline_loss._of_log_softmax(vertex, weights, by_class)
        assert part is not None
        assert (type(part[0]) is float) is (reader is not None)
        found.append([float(number) for number in part])
    assert found[1] == pytest.approx(found[0], rel=1e-5, abs=1e-6, nan_ok=True)
