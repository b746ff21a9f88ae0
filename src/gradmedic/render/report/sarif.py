"""The report as SARIF 2.1.0, which code scanning and editors show beside the user's own lines (OASIS, 2020)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from gradmedic import __version__
from gradmedic.base.locale import say
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.recording.site import Place
from gradmedic.render import Renderer
from gradmedic.render.json_text import json_text
from gradmedic.render.report.phrases import shown_path

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


class SarifFile(Renderer):
    """One result for each finding, consequences included, at the first place that it names."""

    name: ClassVar[str] = "sarif"
    suffix: ClassVar[str] = ".sarif"

    def render(self, report: Report, lang: str) -> str:
        findings = list(_all(report.findings))
        driver = {
            "name": "gradmedic",
            "version": __version__,
            "rules": [{"id": rule} for rule in dict.fromkeys(finding.rule for finding in findings)],
        }
        run = {"tool": {"driver": driver}, "results": [_result(finding, lang) for finding in findings]}
        whole = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
        return json_text(whole)


def _all(findings: tuple[Finding, ...]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        yield from _all(finding.consequences)


def _result(finding: Finding, lang: str) -> dict[str, Any]:
    text = f"{say(finding.message, lang)}\n\n{say(finding.why, lang)}"
    locations = [_location(place) for place in finding.places if place.file and place.line][:10]
    return {
        "ruleId": finding.rule,
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": locations[:1],
        "relatedLocations": [{"id": at, **location} for at, location in enumerate(locations[1:], 1)],
    }


def _location(place: Place) -> dict[str, Any]:
    path = Path(shown_path(str(place.file)))
    address = path.as_uri() if path.is_absolute() else path.as_posix()
    return {
        "physicalLocation": {"artifactLocation": {"uri": address}, "region": {"startLine": place.line}},
        "logicalLocations": [{"fullyQualifiedName": place.name}],
    }
