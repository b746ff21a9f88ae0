"""Lines are learned from autograd's own notes, and no call is touched."""

import sys
import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.fx import traceback
from torch.nn import functional

from gradmedic.probe.hooks.sequence_intervals import SourceLine
from gradmedic.probe.hooks.source_lines import PATIENCE, Lines, line_of

PLACES = ((traceback, "format_stack"), (torch, "is_anomaly_enabled"), (torch, "set_anomaly_enabled"))


def raised(part: str, error: BaseException) -> None:
    raise error


@pytest.fixture
def lines() -> Iterator[Lines]:
    before = [getattr(owner, name) for owner, name in PLACES]
    noted = Lines(raised)
    noted.start()
    yield noted
    noted.stop()
    assert [getattr(owner, name) for owner, name in PLACES] == before
    torch.set_anomaly_enabled(False)


def here() -> int:
    return sys._getframe(1).f_lineno


def test_a_node_knows_the_line_that_made_it(lines: Lines) -> None:
    x = torch.ones(3, requires_grad=True)
    first, at = x + 1, here()
    second = functional.softsign(first)
    assert line_of(first.grad_fn) == SourceLine("", __file__, at)
    assert line_of(second.grad_fn) == SourceLine("softsign", __file__, at + 1)


def test_nothing_is_noted_after_the_end(lines: Lines) -> None:
    lines.stop()
    assert line_of((torch.ones(3, requires_grad=True) + 1).grad_fn) is None


def test_a_wrapper_runs_once(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, original = [], functional.relu

    def relu(x: Tensor, inplace: bool = False) -> Tensor:
        calls.append(1)
        return original(x, inplace) * 1.5

    monkeypatch.setattr(functional, "relu", relu)
    assert functional.relu(torch.ones(1, requires_grad=True)).item() == 1.5
    assert calls == [1]


def test_a_warning_points_to_the_line_of_the_script(lines: Lines) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        functional.softmax(torch.ones(2, 2, requires_grad=True))
        at = here() - 1
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, at)]


def test_the_script_sees_anomaly_mode_as_it_has_left_it(lines: Lines) -> None:
    assert not torch.is_anomaly_enabled()
    assert torch.is_anomaly_check_nan_enabled()


@pytest.mark.parametrize("use", [torch.autograd.set_detect_anomaly, lambda on: torch.set_anomaly_enabled(on)])
def test_a_script_that_turns_anomaly_mode_on_has_it(lines: Lines, use: Callable[[bool], object]) -> None:
    use(True)
    assert torch._C.is_anomaly_enabled()
    assert torch.is_anomaly_check_nan_enabled()
    lines.stop()
    assert torch._C.is_anomaly_enabled()
    use(False)
    assert not torch._C.is_anomaly_enabled()


def test_anomaly_mode_is_off_in_a_backward_pass(lines: Lines) -> None:
    lines.pause()
    assert not torch._C.is_anomaly_enabled()
    lines.resume()
    assert torch._C.is_anomaly_enabled()


def test_lines_are_given_up_where_graphs_are_built_without_end(lines: Lines) -> None:
    x = torch.ones(1, requires_grad=True)
    for _ in range(PATIENCE + 1):
        x + 1
    assert not torch._C.is_anomaly_enabled()
