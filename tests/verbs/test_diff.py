"""Two runs side by side: what is said of them, whatever they are read from."""

import json
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.sketches import SKETCHES

import gradmedic as gm
from gradmedic.base.errors import RecordingError
from gradmedic.cli import commands
from gradmedic.diagnosis.difference import RunChange
from gradmedic.diagnosis.report import Report
from gradmedic.recording.sketch import site, sketch
from gradmedic.render import render_to

RULES = {finding.rule for finding in SKETCHES["vanishing"].findings}
SLOW, FAST = [2.0 * 0.999**i for i in range(100)], [2.0 * 0.98**i for i in range(100)]


def healthy(losses: list[float], grad: float = 1e-2, op: str = "mse_loss") -> Report:
    """A run without a finding."""
    layers = [
        site("first", "linear", {"grad_rms": [1e-2] * 3}),
        site("second", "linear", {"grad_rms": [1e-2, grad, grad]}),
    ]
    return Report(sketch([*layers, site("loss", op, {"grad_rms": [1.0] * 3}, kind="loss")], losses=losses))


def test_a_run_beside_itself_is_the_same() -> None:
    found = gm.diff(healthy(FAST), healthy(FAST))
    assert (found.change, found.parted, found.layer, dict(found.new)) == (RunChange.SAME, None, None, {})


def test_the_lower_loss_is_better_and_the_other_way_round_worse() -> None:
    assert gm.diff(healthy(SLOW), healthy(FAST)).change is RunChange.IMPROVED
    assert gm.diff(healthy(FAST), healthy(SLOW)).change is RunChange.WORSE


def test_ends_within_the_noise_are_the_same() -> None:
    noisy = [loss + 0.3 * (-1) ** i for i, loss in enumerate(SLOW)]
    assert gm.diff(healthy(noisy), healthy([loss * 1.01 for loss in noisy])).change is RunChange.SAME


def test_a_loss_that_is_lost_is_worse() -> None:
    broken = healthy([*FAST[:50], *[nan] * 50])
    assert gm.diff(healthy(FAST), broken).change is RunChange.WORSE
    assert gm.diff(broken, healthy(FAST)).change is RunChange.IMPROVED
    assert gm.diff(broken, broken).change is RunChange.SAME


def test_losses_of_two_kinds_are_not_compared() -> None:
    assert gm.diff(healthy(FAST), healthy(FAST, op="l1_loss")).change is RunChange.NOT_COMPARABLE


def test_findings_that_came_and_went_are_named_and_decide() -> None:
    sick = SKETCHES["vanishing"]
    cured = replace(sick, findings=())
    found = gm.diff(sick, cured)
    assert (found.change, set(found.gone)) == (RunChange.IMPROVED, RULES)
    assert set(gm.diff(cured, sick).new) == {"vanishing-gradient", "disconnected-parameters"}


def test_the_step_and_the_layer_at_which_runs_part_are_named() -> None:
    losses = [*FAST[:2], *[loss * 1.001 for loss in FAST[2:]]]
    found = gm.diff(healthy(FAST), healthy(losses, grad=3e-2))
    assert (found.parted, found.layer) == (2, "second")


@pytest.mark.parametrize("suffixes", [("json", "json"), ("html", "html"), ("json", "html")])
def test_written_reports_are_compared_too(tmp_path: Path, suffixes: tuple[str, str]) -> None:
    one, other = tmp_path / f"a.{suffixes[0]}", tmp_path / f"b.{suffixes[1]}"
    render_to(one, SKETCHES["vanishing"])
    render_to(other, SKETCHES["healthy"])
    found = gm.diff(one, other)
    assert (found.change, set(found.gone)) == (RunChange.IMPROVED, RULES)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings": 5, "progress": [], "verdict": "x"}', "[" * 10_000])
def test_what_is_no_report_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(RecordingError, match=r"report\.json .*no report"):
        gm.diff(file, file)
    with pytest.raises(RecordingError, match="neither"):
        gm.diff(tmp_path / "nothing", file)


def test_the_command_prints_both_and_fails_on_worse(tmp_path: Path) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.html"
    render_to(one, SKETCHES["healthy"])
    render_to(other, SKETCHES["vanishing"])
    run = CliRunner().invoke(commands, ["diff", str(one), str(other), "--fail-on", "worse"], standalone_mode=False)
    assert run.return_value == 3
    assert "WORSE" in run.output
    assert "new: ✗ CRITICAL vanishing-gradient" in run.output
    run = CliRunner().invoke(commands, ["diff", str(other), str(one), "--json"], standalone_mode=False)
    assert json.loads(run.output)["gone"].keys() == RULES


def test_the_command_writes_a_page_and_json(tmp_path: Path) -> None:
    one, other = tmp_path / "a.json", tmp_path / "b.json"
    render_to(one, SKETCHES["vanishing"])
    render_to(other, SKETCHES["healthy"])
    words = ["diff", str(one), str(other), *("-o", str(tmp_path / "d.html")), *("-o", str(tmp_path / "d.json"))]
    CliRunner().invoke(commands, words, standalone_mode=False, catch_exceptions=False)
    assert json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))["change"] == "improved"
    assert "IMPROVED" in (tmp_path / "d.html").read_text(encoding="utf-8")
    refused = CliRunner().invoke(commands, [*words, "-o", str(tmp_path / "d.pdf")], standalone_mode=False)
    assert "a difference ends in .html, .json, .txt" in str(refused.exception)
