"""What a call from Python is settled by: its arguments, then the environment, then pyproject.toml."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gradmedic as gm
from gradmedic.base.errors import SettingsError
from gradmedic.base.settings import HANDED_ON, Settings
from gradmedic.verbs.call_settings import settings_of

BATCH = (torch.randn(32, 16, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 4)
VANISHING = "vanishing-gradient"
LENIENT = {VANISHING: {"decades": 50.0, "suspect": 50.0}}


def deep() -> nn.Module:
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    return nn.Sequential(*layers, nn.Linear(16, 4))


def rules_of(report: gm.Report) -> set[str]:
    return {one.rule for cause in report.findings for one in (cause, *cause.consequences)}


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make a folder with a pyproject.toml the current one."""
    (folder / "pyproject.toml").write_text(f"[tool.gradmedic]\n{text}\n")
    monkeypatch.chdir(folder)


def watched(**how: object) -> gm.Report:
    model = deep()
    with gm.watch(**how) as w:
        F.cross_entropy(model(BATCH[0]), BATCH[1]).backward()  # type: ignore[no-untyped-call]
    return w.report


def test_every_verb_finds_it_where_nothing_is_said() -> None:
    assert VANISHING in rules_of(gm.examine(deep(), BATCH, F.cross_entropy))
    assert VANISHING in rules_of(watched())


def test_verbs_leave_out_what_the_project_ignores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch, f'ignore = ["{VANISHING}"]')
    report = gm.examine(deep(), BATCH, F.cross_entropy)
    assert VANISHING not in rules_of(report)
    assert VANISHING not in rules_of(watched())
    assert VANISHING not in rules_of(gm.diagnose(report.recording))
    assert VANISHING in rules_of(gm.diagnose(report.recording, Settings()))


def test_verbs_take_the_thresholds_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch, f"[tool.gradmedic.rules.{VANISHING}]\ndecades = 50.0\nsuspect = 50.0")
    assert VANISHING not in rules_of(gm.examine(deep(), BATCH, F.cross_entropy))
    assert VANISHING not in rules_of(watched())


def test_arguments_stand_over_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, monkeypatch, f'ignore = ["{VANISHING}"]\nlang = "zh"')
    report = gm.examine(deep(), BATCH, F.cross_entropy, ignore=(), lang="en")
    assert VANISHING in rules_of(report)
    assert report.lang == "en"
    assert gm.examine(deep(), BATCH, F.cross_entropy).lang == "zh"


def test_thresholds_and_rules_to_ignore_are_arguments_of_every_verb_that_judges() -> None:
    model = deep()
    gm.assert_healthy(model, BATCH, F.cross_entropy, ignore=[*rules_of(gm.examine(model, BATCH, F.cross_entropy))])
    report = gm.examine(model, BATCH, F.cross_entropy, rules=LENIENT)
    assert VANISHING not in rules_of(report)
    assert VANISHING not in rules_of(watched(rules=LENIENT))
    assert VANISHING in rules_of(gm.diagnose(report.recording))
    assert VANISHING not in rules_of(gm.diagnose(report.recording, rules=LENIENT))
    assert VANISHING not in rules_of(gm.diagnose(report.recording, ignore=(VANISHING,)))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"ignore": ("vanishing-gradients",)}, "did you mean 'vanishing-gradient'"),
        ({"rules": {VANISHING: {"decade": 1.0}}}, "did you mean 'decades'"),
        ({"budget": 2.0}, "gm.watch: budget must be a share"),
    ],
)
def test_what_nobody_knows_is_refused_before_anything_is_watched(how: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        gm.watch(**how)


def test_the_environment_counts_but_not_what_the_run_around_a_call_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, monkeypatch, "budget = 0.1")
    monkeypatch.setenv("GRADMEDIC_LANG", "zh")
    monkeypatch.setenv(HANDED_ON, json.dumps({"record": "trial", "steps": 3, "trial": True}))
    assert settings_of("gm.watch") == Settings(budget=0.1, lang="zh")


def test_outputs_and_exits_of_a_project_are_those_of_its_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, monkeypatch, 'outputs = ["r.json"]\nfail-on = "note"\nrecord = "runs"\nsteps = 2\nevery = 3')
    assert settings_of("gm.watch") == Settings(every=3)
