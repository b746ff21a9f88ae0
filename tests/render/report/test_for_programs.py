"""What CI systems and editors read: SARIF, JUnit's XML, and annotations of GitHub's."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import jsonschema  # type: ignore[import-untyped]
import pytest
from support.sketches import SKETCHES

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.finding import Severity
from gradmedic.recording.site import Place
from gradmedic.render import deliver, github, renderer_for

SARIF = (
    Path(__file__).parents[3] / ".venv/browser/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"
)
HOSTILE = 'a\x00\x1b[31m\n::error::<b>&"]]>\u202e'

sketches = pytest.mark.parametrize("name", SKETCHES)


def with_hostile_names(name: str = "vanishing"):  # type: ignore[no-untyped-def]
    """A report whose first finding points at a name that tries to get out."""
    report = SKETCHES[name]
    finding = replace(report.findings[0], places=(Place(HOSTILE, file=f"/x/{HOSTILE}.py", line=3),))
    return replace(report, findings=(finding,))


@sketches
def test_sarif_is_as_its_schema_says(name: str) -> None:
    document = json.loads(renderer_for("r.sarif").render(SKETCHES[name], "en"))
    if not SARIF.exists():
        pytest.skip("the schema is not installed: see .ci/run")
    jsonschema.validate(document, json.loads(SARIF.read_text()), cls=jsonschema.Draft7Validator)


def test_sarif_points_at_the_line_and_names_the_rule() -> None:
    (result, *_) = json.loads(renderer_for("r.sarif").render(SKETCHES["vanishing"], "en"))["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("vanishing-gradient", "error")
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("train.py", 4)


@sketches
def test_junit_fails_one_test_for_each_rule_that_found_something(name: str) -> None:
    report = SKETCHES[name]
    suite = ElementTree.fromstring(renderer_for("r.xml").render(report, "en")).find("testsuite")
    assert suite is not None
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    found = [f for cause in report.findings for f in (cause, *cause.consequences)]
    assert failed == {finding.rule for finding in found if finding.severity >= Severity.WARNING}
    assert suite.get("failures") == str(len(failed))


def test_junit_can_be_parsed_whatever_names_hold() -> None:
    assert "vanishing-gradient" in {
        case.get("name")
        for case in ElementTree.fromstring(renderer_for("r.xml").render(with_hostile_names(), "en")).iter()
    }


def test_annotations_stand_on_one_line_each_with_file_and_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    stream = StringIO()
    github.announce(SKETCHES["vanishing"], "en", stream)
    first = stream.getvalue().splitlines()[0]
    assert first.startswith("::error file=train.py,line=4,title=gradmedic%3A vanishing-gradient::The gradient vanishes")
    assert "# gradmedic" in (tmp_path / "summary.md").read_text()
    for line in github.annotations(with_hostile_names(), "en"):
        assert "\n" not in line  # the runner reads commands at the beginning of a line alone
        assert line.startswith(("::error ", "::warning "))


def test_no_more_than_ten_of_a_kind_are_announced() -> None:
    report = SKETCHES["vanishing"]
    many = replace(report, findings=report.findings[:1] * 30)
    assert sum(line.startswith("::error ") for line in github.annotations(many, "en")) == 10


def test_github_is_an_output_beside_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deliver.write(SKETCHES["vanishing"], Settings(outputs=("github", str(tmp_path / "r.json"))))
    assert capsys.readouterr().err.startswith("::error ")
    assert (tmp_path / "r.json").exists()
    assert not (tmp_path / "github").exists()
