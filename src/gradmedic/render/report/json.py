"""The report as JSON, for programs: docs/reference/report.schema.json describes it."""

from collections.abc import Mapping, Sequence
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar

from gradmedic.base.locale import say
from gradmedic.diagnosis.features.depth_profile import foreseen
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.report import Report
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Place
from gradmedic.render import Renderer
from gradmedic.render.json_text import json_text
from gradmedic.render.report.phrases import remarks, totals

SCHEMA = "gradmedic.report/1"


class JsonFile(Renderer):
    """One JSON object, its keys in a fixed order, its numbers always finite."""

    name: ClassVar[str] = "json"
    suffix: ClassVar[str] = ".json"

    def render(self, report: Report, lang: str) -> str:
        return json_text(document(report, lang))


def document(report: Report, lang: str = "en") -> dict[str, Any]:
    """The report as plain dicts, lists, strings and finite numbers."""
    whole = {
        "schema": SCHEMA,
        "verdict": report.verdict,
        "findings": [_finding(finding, lang) for finding in report.findings],
        "ledger": _ledger(report.ledger, report.recording) if report.ledger else None,
        "progress": _progress(report),
        "remarks": remarks(report, lang),
        "run": _run(report),
    }
    return {key: plain(value) for key, value in whole.items()}


def _finding(finding: Finding, lang: str) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.word,
        "message": say(finding.message, lang),
        "why": say(finding.why, lang),
        "since_step": finding.since_step,
        "sites": [_place(place) for place in finding.places],
        "evidence": finding.evidence,
        "next": [{"act": say(cure.act, lang), "code": cure.code} for cure in finding.next],
        "consequences": [_finding(consequence, lang) for consequence in finding.consequences],
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "kind": place.kind,
        "parameter": place.parameter,
        "file": place.file,
        "line": place.line,
    }


def _ledger(ledger: Ledger, recording: Recording) -> dict[str, Any]:
    expected, critical = foreseen(recording, ledger) or (None, None)
    return {
        "target": ledger.target,
        "start": ledger.start,
        "total": ledger.total,
        "by_kind": ledger.by_kind(),
        "by_op": ledger.by_op(),
        "by_depth": [{"name": name, "decades": gone, "entries": count} for name, gone, count in ledger.folded()],
        "cut": ledger.cut.name if ledger.cut else None,
        "expected": expected,
        "critical": critical,
    }


def _progress(report: Report) -> list[dict[str, Any]]:
    streams = report.recording.streams
    return [
        {
            "stream": stream,
            "name": streams[stream].name if stream in streams else "loss",
            "state": progress.state,
            "first": progress.first,
            "last": progress.last,
            "best": progress.best,
            "noise": progress.noise,
            "steps": progress.steps,
        }
        for stream, progress in sorted(report.progress.items())
    ]


def _run(report: Report) -> dict[str, Any]:
    steps, captures, share = totals(report.recording)
    tallies = report.recording.tallies
    return {
        **{key: value for key, value in report.recording.run.items() if key != "lines"},
        "steps": steps,
        "captures": captures,
        "seconds": tallies.get("seconds"),
        "spent": tallies.get("spent"),
        "share": share,
    }


def plain(value: Any) -> Any:
    """The value in what JSON has; numbers that are not finite become "nan", "inf" and "-inf"."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case Mapping():
            return {str(plain(key)): plain(inner) for key, inner in value.items()}
        case Sequence() | set() | frozenset():
            return [plain(inner) for inner in value]
        case Path():
            return str(value)
        case _:
            return plain(value.item()) if hasattr(value, "item") else str(value)
