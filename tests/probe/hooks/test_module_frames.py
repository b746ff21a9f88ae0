"""Modules with hooks of ours are called as if they had none, as far as frames show it."""

import traceback
import warnings
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gradmedic.probe.hooks.module_frames import ModuleFrames, Position, _line_table

CALL = nn.Module._call_impl


class Failing(nn.Module):
    """Warns of its caller and fails, at so many calls deep."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.inner = Failing(depth - 1) if depth else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        warnings.warn("who calls?", stacklevel=3)
        if self.inner is None:
            raise KeyError("deep")
        out: torch.Tensor = self.inner(x)
        return out


@pytest.fixture
def frames() -> Iterator[ModuleFrames]:
    failures: list[BaseException] = []
    shown = ModuleFrames(lambda part, error: failures.append(error))
    yield shown
    shown.stop()
    assert failures == []


def seen(net: nn.Module) -> tuple[list[str], list[tuple[str, int]]]:
    """The traceback of a call that fails, and the places that its warnings name."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(KeyError) as raised:
            net(torch.ones(1))
    entries = traceback.format_tb(raised.tb)[1:]
    return entries, [(one.filename, one.lineno) for one in told]


def test_tracebacks_and_warnings_are_those_of_modules_without_hooks(frames: ModuleFrames) -> None:
    net = nn.Sequential(Failing(2))
    plain = seen(net)
    frames.start()
    assert seen(net) == plain


def test_hooks_of_the_script_stay_in_tracebacks(frames: ModuleFrames) -> None:
    net = Failing(1)
    net.register_forward_hook(lambda module, args, out: None)
    plain = seen(net)[0]
    assert any("in inner" in entry for entry in plain)
    frames.start()
    assert seen(net)[0] == plain


def test_torch_is_left_as_it_was(frames: ModuleFrames) -> None:
    before = CALL.__code__
    frames.start()
    frames.start()
    assert CALL.__code__ is not before
    frames.stop()
    assert CALL.__code__ is before


def test_an_exception_that_is_being_handled_around_a_call_is_left_alone(frames: ModuleFrames) -> None:
    frames.start()
    outside = None
    try:
        raise ValueError("outside")
    except ValueError as error:
        nn.Identity()(1)
        outside = error
    entry = outside.__traceback__
    assert entry is not None
    assert entry.tb_frame.f_code.co_name == "test_an_exception_that_is_being_handled_around_a_call_is_left_alone"
    assert entry.tb_next is None


columns = st.one_of(st.none(), st.integers(0, 300))
position = st.tuples(st.integers(1, 9000), st.integers(0, 70), columns, columns)


@given(st.lists(st.one_of(st.none(), position), max_size=30), st.integers(1, 5000))
def test_positions_are_kept_as_python_reads_them(drawn: list[tuple[int, int, int, int] | None], line: int) -> None:
    wanted: list[Position] = [
        (None, None, None, None) if one is None else (one[0], one[0] + one[1], one[2], one[3]) for one in drawn
    ]
    empty = (lambda: None).__code__
    bare = empty.replace(co_code=bytes([9, 0]) * len(wanted), co_firstlineno=line)
    read = list(bare.replace(co_linetable=_line_table(wanted, line)).co_positions())
    assert read == wanted
