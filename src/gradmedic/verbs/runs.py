"""The recordings below a folder, each with its verdict."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradmedic.base.errors import RecordingError
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.recorded_run import RecordedRun
from gradmedic.diagnosis.report import Report
from gradmedic.recording.run_folders import facts_of, recordings_below
from gradmedic.verbs.diagnose import diagnose


def runs(folder: str | os.PathLike[str] = ".", settings: Settings | None = None) -> list[RecordedRun]:
    """The recordings in a folder and below it, the newest first, judged by the rules of today.

    Raises `RecordingError` if there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise RecordingError(f"{place} is no folder: name one that holds recordings, made by gradmedic run --record.")
    found = [_judged(recording, settings) for recording in recordings_below(place)]
    return sorted(found, key=lambda run: run.began or 0.0, reverse=True)


def _judged(recording: Path, settings: Settings | None) -> RecordedRun:
    known = _known(facts_of(recording))
    try:
        report = diagnose(recording, settings)
    except RecordingError as error:
        return RecordedRun(str(recording), **known, error=str(error))
    rules = tuple(finding.rule for finding in report.findings if finding.severity >= Severity.WARNING)
    return RecordedRun(str(recording), **known, verdict=report.verdict, rules=rules, losses=_losses(report))


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    script, began = facts.get("script"), facts.get("began")
    return {
        "script": script if isinstance(script, str) else None,
        "began": float(began) if isinstance(began, int | float) else None,
    }


def _losses(report: Report) -> tuple[float, float] | None:
    told = ((p.first, p.last) for p in report.progress.values())
    return next(((first, last) for first, last in told if first is not None and last is not None), None)
