"""One trial in a folder of its own: what the run is told before it starts, and what it has left behind."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradmedic.base.errors import RecordingError
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.training_state import is_contest
from gradmedic.recording.reader import load
from gradmedic.recording.records import Recording
from gradmedic.trials.isolation import Isolation, Workspace
from gradmedic.trials.printed_numbers import printed_numbers
from gradmedic.trials.run_summary import Checkup
from gradmedic.trials.supervisor import METRIC
from gradmedic.trials.trial import LossSeries, Outcome, RunEnd, Script, Trial


def place_of(script: Script, folder: Path) -> Workspace:
    """Where a script is run; `folder` gets everything that comes of it, and one beside it what it writes itself."""
    output, layers = str(folder), f"{folder}-written"
    return Workspace(script.target, os.path.abspath(script.folder), output, layers, script.as_module)


def job(script: Script, trial: Trial, folder: Path, isolation: Isolation, metric: str | None = None) -> dict[str, Any]:
    """What a forkserver is told to run; `folder` gets everything that comes of it."""
    folder.mkdir(parents=True, exist_ok=True)
    remedies = folder / "prescription.toml"
    trial.prescription.save(remedies)
    settings = Settings(
        quiet=True,
        budget=trial.looking if trial.observed else 0.0,
        record=str(folder / "recording"),
        steps=trial.steps,
        seed_shift=trial.seed_shift,
        trial=not trial.observed,
        prescription=None if trial.is_control else str(remedies),
    )
    where = {"place": asdict(place_of(script, folder)), "isolation": isolation, "args": script.args}
    what = {"text": script.text, "metric": metric, "settings": asdict(settings)}
    return {**where, **what, "seconds": trial.seconds, "memory": trial.memory}


def outcome(trial: Trial, folder: Path, answer: Mapping[str, Any]) -> Outcome:
    """What came of a trial, from the recording in its folder and the answer of the forkserver."""
    try:
        recording = load(folder / "recording")
    except RecordingError:  # it did not get as far as to begin one
        recording = Recording()
    refusal = next((str(event.data["reason"]) for event in recording.events_of("refused")), "")
    ended = RunEnd.REFUSED if refusal else _ended(answer, recording)
    steps = max((vital.step + 1 for vital in recording.vitals[-1:]), default=0)
    return Outcome(
        trial,
        ended,
        series_of(recording),
        metric=_metric(folder),
        steps=steps,
        seconds=float(answer["seconds"]),
        startup=float(answer["seconds"]) - _trained(recording),
        memory=float(answer["memory"]),
        error=refusal or ("" if ended.well else _last_words(folder)),
        printed=printed_numbers(_text(folder / "stdout.txt")),
        checkup=Checkup.of(recording) if trial.observed else None,
        recording=recording if trial.observed else None,
    )


def series_of(recording: Recording) -> dict[str, LossSeries]:
    """The losses of a recording, by the place in the script where backward is called."""
    found = {}
    for stream in recording.streams.values():
        vitals = [vital for vital in recording.vitals if vital.stream == stream.id and vital.loss is not None]
        norms = tuple((vital.step, vital.grad_norm) for vital in vitals if vital.grad_norm is not None)
        losses = tuple(float(vital.loss) for vital in vitals if vital.loss is not None)
        contends = is_contest(recording, stream.id)
        found[f"{stream.file}:{stream.line}"] = LossSeries(tuple(v.step for v in vitals), losses, norms, contends)
    return found


def _ended(answer: Mapping[str, Any], recording: Recording) -> RunEnd:
    if answer["ended"]:
        return RunEnd(answer["ended"])
    if answer["status"] != 0:
        return RunEnd.CRASHED
    return RunEnd.STOPPED if recording.run.get("ending") == "stopped" else RunEnd.FINISHED


def _trained(recording: Recording) -> float:
    """Seconds from the first backward pass to the last."""
    times = [vital.time for vital in recording.vitals]
    return times[-1] - times[0] if times else 0.0


def _metric(folder: Path) -> float | None:
    """What the user's expression has found last in the output; None where that is no number."""
    try:
        return float(json.loads((folder / METRIC).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _last_words(folder: Path) -> str:
    lines = [line.strip() for line in _text(folder / "stderr.txt").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
