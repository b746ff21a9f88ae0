"""Settings: who overrides whom, and what is said to a user who mistypes."""

from pathlib import Path
from typing import Any

import pytest

from gradmedic.base.errors import SettingsError
from gradmedic.base.settings import HINTS, Settings, assignments, handed_on, load, merged
from gradmedic.base.value_types import fitted
from gradmedic.diagnosis.finding import Severity


def project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_flags_override_the_environment_which_overrides_the_project(tmp_path: Path) -> None:
    project(tmp_path, "[tool.gradmedic]\nbudget = 0.1\nevery = 5\nlang = 'zh'\nignore = ['loss-spike']\n")
    settings = load({"budget": 0.3, "every": None}, tmp_path, {"GRADMEDIC_BUDGET": "0.2", "GRADMEDIC_EVERY": "7"})
    assert settings == Settings(budget=0.3, every=7, lang="zh", ignore=("loss-spike",))


def test_the_nearest_project_that_speaks_of_gradmedic_counts(tmp_path: Path) -> None:
    project(tmp_path, "[tool.gradmedic]\nbudget = 0.1\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    project(tmp_path / "a" / "b", "[tool.other]\nbudget = 0.9\n")
    assert load({}, tmp_path / "a" / "b", {}).budget == 0.1
    project(tmp_path / "a", "[tool.gradmedic]\nfail-on = 'critical'\n")
    assert load({}, tmp_path / "a" / "b", {}) == Settings(fail_on="critical")


def test_a_child_process_gets_the_same_settings(tmp_path: Path) -> None:
    project(tmp_path, "[tool.gradmedic]\nbudget = 0.5\n")
    settings = Settings(
        budget=0.1,
        every=3,
        outputs=("a.json", "b.md"),
        record="runs/1",
        fail_on="warning",
        stop_on="critical",
        ignore=("dead-relu",),
        quiet=True,
        lang="zh",
        rules={"dead-relu": {"share": 0.5}},
    )
    environ = handed_on(settings)
    assert len(environ) == 1
    assert load({}, tmp_path, environ) == settings
    assert load({}, tmp_path, handed_on(Settings())) == Settings()


def test_thresholds_of_a_rule_are_laid_over_each_other() -> None:
    below = merged(Settings(), {"rules": {"dead-relu": {"share": 0.5, "steps": 3}, "loss-spike": {"factor": 2}}}, "a")
    above = merged(below, {"rules": {"dead-relu": {"share": 0.7}}}, "b")
    assert above.rules == {"dead-relu": {"share": 0.7, "steps": 3}, "loss-spike": {"factor": 2}}


def test_assignments_read_as_toml_does() -> None:
    texts = ["rules.dead-relu.share=0.5", "rules.dead-relu.op = relu", "quiet=true", 'ignore=["a", "b"]']
    rules = {"dead-relu": {"share": 0.5, "op": "relu"}}
    assert assignments(texts) == {"rules": rules, "quiet": True, "ignore": ["a", "b"]}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GRADMEDIC_QUIET": "1"}, Settings(quiet=True)),
        ({"GRADMEDIC_QUIET": "false"}, Settings(quiet=False)),
        ({"GRADMEDIC_IGNORE": "dead-relu, loss-spike"}, Settings(ignore=("dead-relu", "loss-spike"))),
        ({"GRADMEDIC_RECORD": "2024"}, Settings(record="2024")),
        ({"GRADMEDIC_RULES": "{dead-relu = {share = 0.5}}"}, Settings(rules={"dead-relu": {"share": 0.5}})),
        ({"PATH": "/bin", "gradmedic_budget": "x"}, Settings()),
    ],
)
def test_the_environment_is_read(environ: dict[str, str], expected: Settings, tmp_path: Path) -> None:
    assert load({}, tmp_path, environ) == expected


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"budgit": 0.1}, "x.toml: nobody knows the key 'budgit'; did you mean 'budget'?"),
        ({"fail-om": "note"}, "x.toml: nobody knows the key 'fail-om'; did you mean 'fail-on'?"),
        ({"zzz": 1}, "x.toml: nobody knows the key 'zzz'"),
        ({"budget": "much"}, "x.toml: budget must be a share between 0 and 1, such as 0.02; it is 'much'"),
        ({"budget": 2}, "x.toml: budget must be a share between 0 and 1, such as 0.02; it is 2"),
        ({"budget": float("nan")}, "x.toml: budget must be a share between 0 and 1, such as 0.02; it is nan"),
        ({"budget": True}, "x.toml: budget must be a share between 0 and 1, such as 0.02; it is True"),
        ({"every": 0}, "x.toml: every must be a whole number from 1 on; it is 0"),
        ({"every": 1.5}, "x.toml: every must be a whole number from 1 on; it is 1.5"),
        ({"ignore": [1]}, 'x.toml: ignore must be a list of words, such as ["loss-spike"]; it is [1]'),
        ({"record": ""}, "x.toml: record must be text; it is ''"),
        ({"quiet": "maybe"}, "x.toml: quiet must be true or false; it is 'maybe'"),
        ({"quiet": []}, "x.toml: quiet must be true or false; it is []"),
        (
            {"fail_on": "critcal"},
            "x.toml: fail_on must be one of note, warning, critical; it is 'critcal'",
        ),
        (
            {"rules": {"dead-relu": 1}},
            "x.toml: rules must be a table for each rule, such as [tool.gradmedic.rules.dead-relu]; "
            "it is {'dead-relu': 1}",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_right_word(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError) as raised:
        merged(Settings(), table, "x.toml")
    assert str(raised.value) == complaint


@pytest.mark.parametrize("text", ["budget", "=1", "rules.dead-relu.=1"])
def test_an_assignment_without_key_or_value_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="write it as KEY=VALUE"):
        assignments([text])


def test_an_assignment_into_a_value_is_refused() -> None:
    with pytest.raises(SettingsError, match="a table should stand where 1 does"):
        assignments(["budget=1", "budget.x=2"])


def test_the_place_of_a_mistake_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"GRADMEDIC_EVRY.*'every'"):
        load({}, tmp_path, {"GRADMEDIC_EVRY": "1", "GRADMEDIC_BUDGET": "0.1"})
    project(tmp_path, "[tool.gradmedic]\nbudgit = 0.1\n")
    with pytest.raises(SettingsError, match=r"pyproject\.toml.*'budget'"):
        load({}, tmp_path, {})
    project(tmp_path, "[tool.gradmedic\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load({}, tmp_path, {})


def test_severities_are_those_of_findings() -> None:
    for severity in Severity:
        assert fitted(severity.word, HINTS["fail_on"]) == fitted(severity.word, HINTS["stop_on"]) == severity.word
