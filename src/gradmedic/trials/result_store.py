"""Outcomes on disk, beside the prescription, so that a treatment that was interrupted can be resumed.

One line of JSON per outcome, appended as it comes; the first line says what they are outcomes of.
They are only trusted if that is the same script with the same arguments, and if its control, which
is run anew each time, begins as it did.
"""

import hashlib
import json
from dataclasses import asdict
from math import isclose
from pathlib import Path
from typing import Any

from gradmedic import __version__
from gradmedic.base.atomic_write import write
from gradmedic.trials.trial import Outcome, Script, Trial

PROBED = 8
"""Losses of the control that have to come out the same."""


class Results:
    """The outcomes that are known; without a file they are known for this treatment only."""

    def __init__(self, file: Path | None, script: Script, control: Outcome) -> None:
        self.file = file
        self.rows: dict[str, dict[str, Any]] = {}
        head = _head(script, control)
        if file is not None and not self._read(file, head):
            write(file, f"{json.dumps(head)}\n".encode())

    def known(self, trial: Trial) -> Outcome | None:
        """The outcome of a trial, if there is one; of an observed one the checkup is kept, and not the recording.

        A row that makes no sense is no outcome: the trial is run again.
        """
        row = self.rows.get(trial.key)
        try:
            return Outcome.from_row(trial, row) if row is not None else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        row = self.rows[outcome.trial.key] = outcome.row()
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")

    def _read(self, file: Path, head: dict[str, Any]) -> bool:
        """Take over what the file holds; False if it is about something else."""
        try:
            first, *lines = file.read_text(encoding="utf-8").splitlines()
            if not _same(json.loads(first), head):
                return False
        except (OSError, ValueError, KeyError, TypeError):
            return False
        for line in lines:
            try:
                row = json.loads(line)
                self.rows[row["key"]] = row
            except (ValueError, KeyError, TypeError):  # torn when the machine went down
                continue
        return True


def _head(script: Script, control: Outcome) -> dict[str, Any]:
    file = Path(script.folder, script.target)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
    begun = {name: list(series.losses[:PROBED]) for name, series in control.series.items()}
    return {"gradmedic": __version__, **asdict(script), "args": list(script.args), "sha256": digest, "begun": begun}


def _same(old: dict[str, Any], new: dict[str, Any]) -> bool:
    begun, now = old.pop("begun"), {**new}.pop("begun")
    facts = {key: value for key, value in new.items() if key != "begun"}
    return old == facts and begun.keys() == now.keys() and all(_alike(begun[name], now[name]) for name in now)


def _alike(old: list[float], new: list[float]) -> bool:
    """The same but for rounding, NaN included."""
    pairs = zip(old, new, strict=False)
    return len(old) == len(new) and all(a == b or (a != a and b != b) or isclose(a, b, rel_tol=1e-3) for a, b in pairs)
