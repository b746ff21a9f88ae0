"""Recordings of many runs, the newest first: as a screen, and as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from os.path import basename

from rich.console import Console
from rich.text import Text

from gradmedic.base.locale import translator
from gradmedic.base.visible_text import visible
from gradmedic.diagnosis.recorded_run import RecordedRun
from gradmedic.render.glyphs import emit
from gradmedic.render.numbers import number
from gradmedic.render.report.json import plain

SCHEMA = "gradmedic.runs/1"


def _(text: str) -> str:
    """Mark a text for the catalog where it stands in a table; it is translated where it is used."""
    return text


NOTHING = _("No recordings here: gradmedic run --record auto train.py makes one.")
VERDICTS = {"sick": _("SICK"), "healthy": _("HEALTHY"), "unclear": _("UNCLEAR"), None: _("NOT READABLE")}
STYLES = {"sick": "bold red", "healthy": "bold green"}


def show(runs: Sequence[RecordedRun], lang: str, console: Console) -> None:
    """Print two lines for each, or one sentence where there is nothing."""
    tr = translator(lang)
    if not runs:
        emit(console, tr(NOTHING))
        return
    emit(console, *(_lines(run, tr) for run in map(visible, runs)))


def _lines(run: RecordedRun, tr: Callable[[str], str]) -> Text:
    """The verdict, and below it the folder, which can be copied."""
    verdict = (tr(VERDICTS.get(run.verdict, "UNCLEAR")), STYLES.get(run.verdict or "", "bold"))
    losses = f"{number(run.losses[0])} → {number(run.losses[1])}" if run.losses else ""
    told = [*filter(None, (", ".join(run.rules), losses, basename(run.script or ""), run.error))]
    return Text.assemble((f"{_when(run.began):16}", "dim"), "  ", verdict, "  ", "  ".join(told), f"\n  {run.folder}")


def as_json(runs: Sequence[RecordedRun]) -> str:
    """The same for programs, by the schema `gradmedic.runs/1`."""
    rows = [asdict(run) for run in runs]
    return json.dumps(plain({"schema": SCHEMA, "runs": rows}), ensure_ascii=False, indent=2) + "\n"


def _when(began: float | None) -> str:
    try:
        return datetime.fromtimestamp(began).strftime("%Y-%m-%d %H:%M") if began is not None else ""
    except (OverflowError, OSError, ValueError):
        return ""
