"""Trials on a Ray cluster: the same outcomes as here, also when a worker is lost on the way."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gradmedic.trials.runners import Runner
from gradmedic.trials.runners.local import Local
from gradmedic.trials.trial import RunEnd, Script, Trial

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

from gradmedic.trials.runners.ray import Ray  # noqa: E402

PATIENTS = str(Path(__file__).parent / "patients.py")


def cluster(folder: Path, mode: str, jobs: int = 1) -> Ray:
    """A cluster on this machine that runs one of the patients."""
    return Ray(Script(PATIENTS, (mode, str(folder / "pids")), folder=str(folder), in_place=True), jobs=jobs)


def losses(runner: Runner, *trials: Trial) -> dict[int, Any]:
    """The losses of trials, by seed shift."""
    return {one.trial.seed_shift: [s.losses for s in one.series.values()] for one in runner.run(trials)}


def test_trials_come_out_as_on_this_machine(tmp_path: Path) -> None:
    trials = [Trial(seed_shift=seed) for seed in range(3)]
    with cluster(tmp_path, "train", jobs=2) as ours, Local(ours.script, jobs=2) as local:
        assert losses(ours, *trials) == losses(local, *trials)


def test_a_trial_begins_anew_where_its_worker_is_lost(tmp_path: Path) -> None:
    with cluster(tmp_path, "once") as runner:
        [found] = runner.run([Trial(seconds=60)])
    assert found.ended is RunEnd.FINISHED
    first, second = (tmp_path / "pids").read_text().split()
    assert first != second


def test_who_stops_listening_ends_the_trials_under_way(tmp_path: Path) -> None:
    with cluster(tmp_path, "slow", jobs=2) as runner:
        trials = runner.run([Trial(steps=1), Trial()])
        next(iter(trials))
        while len((tmp_path / "pids").read_text().split()) < 2:
            time.sleep(0.1)
        trials.close()  # type: ignore[attr-defined]
    time.sleep(3)
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIG_DFL)
