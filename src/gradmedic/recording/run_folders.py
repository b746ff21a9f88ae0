"""Where recordings lie: a new folder for each run, those below a folder, and the old ones that may go."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import localtime, strftime
from typing import Any

from gradmedic.recording import encoding
from gradmedic.recording.writer import MARK

HOME = Path(".gradmedic", "runs")
"""Where `--record auto` puts recordings, below the folder in which the run is started."""
KEPT = 20
"""How many recordings stay there."""
REPORT = "report.html"
"""The page that a live view leaves in a recording's folder when the run has ended."""
OURS = b'<script type="application/json" id="report">{"schema":"gradmedic.report/'
"""What only our pages hold."""
DEEPEST = 8
"""Folders below one another in which recordings are looked for."""


def new_folder(script: str, began: float) -> Path:
    """A new folder for the recording of a run that begins now; the oldest beyond `KEPT` are removed."""
    name = re.sub(r"[^\w.-]+", "-", os.path.splitext(os.path.basename(script))[0]).strip("-.") or "script"
    stem = f"{strftime('%Y%m%d-%H%M%S', localtime(began))}-{name[:60]}"
    HOME.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        place = HOME / (stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            place.mkdir()
            for old in sorted(_removable(HOME), key=lambda path: path.name)[: -(KEPT - 1)]:
                _remove(old)
            return place.absolute()
    raise FileExistsError(f"{HOME / stem} and 998 more are taken")


def recordings_below(folder: Path) -> Iterator[Path]:
    """Every recording in a folder and below it; links are not followed."""
    for place, folders, files in os.walk(folder):
        found = Path(place)
        if "run.json" in files and any((found / name / MARK).is_file() for name in folders):
            folders.clear()
            yield found
        if len(found.relative_to(folder).parts) >= DEEPEST:
            folders.clear()


def facts_of(recording: Path) -> dict[str, Any]:
    """What run.json says; empty where it cannot be read."""
    try:
        told = json.loads((recording / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return told if encoding.is_run(told) else {}


def _removable(home: Path) -> Iterator[Path]:
    """Recordings that have ended, and hold nothing but what gradmedic writes."""
    for place in home.iterdir():
        if place.is_symlink() or not place.is_dir() or "ended" not in facts_of(place):
            continue
        others = [path for path in place.iterdir() if path.name != "run.json"]
        if all(not other.is_symlink() and (_is_rank(other) or _is_report(other)) for other in others):
            yield place


def _is_rank(folder: Path) -> bool:
    if not re.fullmatch(r"rank-\d{5,}", folder.name) or not (folder / MARK).is_file():
        return False
    return all(path.name == MARK or path.suffix == ".jsonl" for path in folder.iterdir())


def _is_report(file: Path) -> bool:
    """Whether a file is the page that a live view left."""
    if file.name != REPORT or not file.is_file():
        return False
    return OURS in file.read_bytes()


def _remove(recording: Path) -> None:
    """File by file, so that nothing goes that was not seen to be ours."""
    with suppress(OSError):
        for rank in [path for path in recording.iterdir() if path.is_dir()]:
            for path in rank.iterdir():
                path.unlink()
            rank.rmdir()
        (recording / REPORT).unlink(missing_ok=True)
        (recording / "run.json").unlink()
        recording.rmdir()
