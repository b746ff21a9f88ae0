"""Put two runs side by side: no training, no torch."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradmedic.base.errors import RecordingError
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.difference import Difference, difference
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.run_view import RunView, view_of_document, view_of_report
from gradmedic.verbs.diagnose import diagnose

Source = Report | str | os.PathLike[str]

LARGEST = 1 << 26
"""Bytes of a report that are read at most."""


def diff(first: Source, second: Source, settings: Settings | None = None) -> Difference:
    """The second run beside the first: reports, folders of recordings, or reports in .json or .html files.

    Raises `RecordingError` for what is none of these.
    """
    return difference(_view(first, settings), _view(second, settings))


def _view(source: Source, settings: Settings | None) -> RunView:
    if isinstance(source, Report):
        return view_of_report(str(source.recording.run.get("script") or "run"), source)
    path = Path(source)
    if path.is_dir():
        return view_of_report(str(path), diagnose(path, settings))
    document, series = _read(path)
    try:
        return view_of_document(str(path), document, series)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise RecordingError(f"{path} is no report of gradmedic's.") from None


def _read(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The JSON of a report and the curves of a page."""
    if not path.is_file():
        raise RecordingError(f"{path} is neither a recording's folder nor a report in a .json or .html file.")
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(LARGEST)
    try:
        if path.suffix.lower() == ".html":
            return _embedded(text, "report"), _embedded(text, "series")
        return json.loads(text), {}
    except (ValueError, RecursionError):
        raise RecordingError(f"{path} holds no report that can be read.") from None


def _embedded(text: str, id: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{id}">(.*?)</script>', text, re.DOTALL)
    if found is None:
        raise ValueError(id)
    return json.loads(found[1])
