"""What all trainers' callbacks are made of, and that it never reaches a trainer's loop."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradmedic as gm
from gradmedic.base.errors import GradmedicWarning, SettingsError
from gradmedic.integrations.lightning_entry import callbacks
from gradmedic.integrations.training_watch import TrainingWatch


def net(depth: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(8, 8), nn.Sigmoid())]
    return nn.Sequential(*layers, nn.Linear(8, 2))


def fit(watch: TrainingWatch | None, depth: int = 12, steps: int = 60, ranks: int = 1) -> tuple[list[Tensor], int]:
    """A trainer with the moments that all have; its weights, and after how many steps it ended."""
    model = net(depth)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(64, 8)
    if watch is not None:
        watch.begin(model, ranks=ranks)
    done = 0
    while done < steps and not (watch is not None and watch.stops):
        done += 1
        optimizer.zero_grad()
        F.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    if watch is not None:
        watch.end()
    return [parameter.detach() for parameter in model.parameters()], done


def test_training_is_watched_and_told_and_weights_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    watch = TrainingWatch()
    weights, _ = fit(watch)
    assert watch.report is not None
    assert watch.report.findings[0].rule == "vanishing-gradient"
    assert "vanishing-gradient" in capsys.readouterr().err
    assert all(torch.equal(*pair) for pair in zip(weights, fit(None)[0], strict=True))


def test_it_asks_to_stop_once_that_is_certain_but_never_in_a_run_of_several_ranks() -> None:
    assert fit(TrainingWatch(stop_on="warning", quiet=True, every=1), steps=400)[1] < 400
    with pytest.warns(GradmedicWarning, match="several ranks"):
        assert fit(TrainingWatch(stop_on="warning", quiet=True, every=1), ranks=2)[1] == 60


def test_numbers_are_handed_out_once_and_a_logger_that_raises_is_no_concern_of_the_trainer() -> None:
    watch = TrainingWatch(quiet=True, every=2)
    seen: list[Mapping[str, float]] = []
    model = net(2)
    watch.begin(model)
    for _ in range(5):
        model(torch.ones(4, 8)).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        watch.tell(seen.append)
    assert 1 < len(seen) < 5
    assert "gradmedic/gradient_norm" in seen[0]

    def failing(_: object) -> None:
        raise OSError("disk full")

    model(torch.ones(4, 8)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    model(torch.ones(4, 8)).sum().backward()
    with pytest.warns(GradmedicWarning, match="disk full"):
        watch.tell(failing)
    watch.end()


def test_outputs_are_written_and_one_that_cannot_be_ends_nothing(tmp_path: Path) -> None:
    fit(TrainingWatch(quiet=True, outputs=[str(tmp_path / "report.json")]), steps=3)
    assert "gradmedic.report/1" in (tmp_path / "report.json").read_text()
    with pytest.warns(GradmedicWarning, match="cannot write"):
        fit(TrainingWatch(quiet=True, outputs=[str(tmp_path / "report.json" / "other.json")]), steps=3)


def test_a_watch_around_the_trainer_goes_on_alone() -> None:
    watch = TrainingWatch(quiet=True)
    with gm.watch() as around:
        fit(watch, steps=5)
    assert len(around.report.recording.vitals) == 5
    assert watch.report is None


def test_a_training_that_failed_makes_room_for_the_next() -> None:
    failed, watch = TrainingWatch(quiet=True), TrainingWatch(quiet=True)
    failed.begin(net(2))  # and never ends
    fit(watch, steps=5)
    assert watch.report is not None
    assert len(watch.report.recording.vitals) == 5
    failed.end()


def test_a_wrong_option_is_told_before_training() -> None:
    with pytest.raises(SettingsError, match="stop_on"):
        TrainingWatch(stop_on="sometimes")


def test_only_the_variable_makes_a_callback_of_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADMEDIC", raising=False)
    assert callbacks() == []
    monkeypatch.setenv("GRADMEDIC", "0")
    assert callbacks() == []


def test_a_trainer_that_raises_leaves_the_report_to_the_end_of_the_process() -> None:
    code = """
import torch
from gradmedic.integrations.training_watch import TrainingWatch
watch = TrainingWatch()
model = torch.nn.Linear(2, 1)
watch.begin(model)
model(torch.ones(2, 2)).sum().backward()
raise SystemExit(7)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 7
    assert "1 step, 1 capture" in done.stderr
