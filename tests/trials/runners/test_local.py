"""Trials on this machine: paired, bounded, and gone when they are over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gradmedic.trials.runners.local import Local, cores
from gradmedic.trials.trial import Outcome, RunEnd, Script, Trial

PATIENTS = str(Path(__file__).parent / "patients.py")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """One runner for all tests: its server takes seconds to start."""
    folder = str(tmp_path_factory.mktemp("work"))
    with Local(Script(PATIENTS, folder=folder, in_place=True), jobs=2, metric=r"accuracy (\S+)") as runner:
        yield runner


def run(local: Local, mode: str, *trials: Trial, file: Path | None = None) -> list[Outcome]:
    """The outcomes of trials of one of the patients, in the order of their seeds."""
    local.script = replace(local.script, args=(mode, str(file or "")))
    return sorted(local.run(trials or [Trial(seconds=60)]), key=lambda one: one.trial.seed_shift)


def losses(outcome: Outcome) -> tuple[float, ...]:
    [series] = outcome.series.values()
    return series.losses


def alive(file: Path) -> list[int]:
    """Those of the processes noted in a file that still run, after a moment's grace."""
    pids = [int(line) for line in file.read_text().split()]
    assert pids
    for _ in range(50):
        running = [pid for pid in pids if _runs(pid)]
        if not running:
            break
        time.sleep(0.1)
    return running


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_trials_with_one_seed_are_one_another_and_with_others_are_not(local: Local) -> None:
    first, again, other = run(local, "train", Trial(), Trial(), Trial(seed_shift=1))
    assert losses(first) == losses(again)
    assert losses(first) != losses(other)
    assert {one.ended for one in (first, again, other)} == {RunEnd.FINISHED}
    assert len(losses(first)) == first.steps == 30
    assert 0 < first.startup < first.seconds


def test_the_metric_is_what_was_printed_last(local: Local) -> None:
    [found] = run(local, "train")
    assert found.metric == 0.29


def test_a_trial_ends_after_the_steps_that_it_was_asked_for(local: Local) -> None:
    [found] = run(local, "train", Trial(steps=10))
    assert (found.ended, found.steps, found.metric) == (RunEnd.STOPPED, 10, 0.08)


def test_only_an_observed_trial_brings_a_recording(local: Local) -> None:
    light, whole = run(local, "train", Trial(), Trial(seed_shift=1, observed=True))
    assert light.recording is None
    assert whole.recording is not None
    assert whole.recording.captures


@pytest.mark.parametrize(
    ("mode", "ended", "error"),
    [
        ("crash", RunEnd.CRASHED, "ValueError: out of data"),
        ("vanish", RunEnd.CRASHED, ""),
        ("kill", RunEnd.CRASHED, ""),
    ],
)
def test_a_run_that_breaks_off_is_an_outcome_too(mode: str, ended: RunEnd, error: str, local: Local) -> None:
    [found] = run(local, mode)
    assert (found.ended, found.error) == (ended, error)
    assert bool(found.series) == (mode != "kill")


def test_a_trial_that_takes_too_long_is_ended_and_keeps_what_it_had(local: Local, tmp_path: Path) -> None:
    began = time.monotonic()
    [found] = run(local, "slow", Trial(seconds=3), file=tmp_path / "pids")
    assert time.monotonic() - began < 20
    assert found.ended is RunEnd.TIMED_OUT
    assert len(losses(found)) > 3
    assert alive(tmp_path / "pids") == []


def test_a_trial_that_does_not_listen_is_killed(local: Local, tmp_path: Path) -> None:
    [found] = run(local, "hang", Trial(seconds=3), file=tmp_path / "pids")
    assert found.ended is RunEnd.TIMED_OUT
    assert alive(tmp_path / "pids") == []


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell of memory")
def test_a_trial_that_eats_memory_is_ended(local: Local) -> None:
    [found] = run(local, "hold", Trial(seconds=30, memory=600e6))
    assert found.ended is RunEnd.OUT_OF_MEMORY
    assert found.memory > 600e6


def test_what_a_trial_has_started_ends_with_it(local: Local, tmp_path: Path) -> None:
    [found] = run(local, "spawn", file=tmp_path / "pids")
    assert found.ended is RunEnd.FINISHED
    assert alive(tmp_path / "pids") == []


def test_what_a_trial_has_started_in_a_session_of_its_own_ends_with_it(local: Local, tmp_path: Path) -> None:
    [found] = run(local, "detach", file=tmp_path / "pids")
    assert found.ended is RunEnd.FINISHED
    assert len((tmp_path / "pids").read_text().split()) == 2
    assert alive(tmp_path / "pids") == []


def test_a_detached_child_of_a_trial_that_does_not_listen_is_killed_too(local: Local, tmp_path: Path) -> None:
    [found] = run(local, "detach-and-hang", Trial(seconds=3), file=tmp_path / "pids")
    assert found.ended is RunEnd.TIMED_OUT
    assert alive(tmp_path / "pids") == []


def test_of_a_flood_of_output_the_metric_is_still_the_last_one(local: Local) -> None:
    [found] = run(local, "flood")
    assert found.metric == 0.75


def test_who_stops_listening_ends_the_trials_under_way(local: Local, tmp_path: Path) -> None:
    local.script = replace(local.script, args=("slow", str(tmp_path / "pids")))
    trials = local.run([Trial(steps=1), Trial(), Trial(), Trial()])
    next(iter(trials))
    trials.close()  # type: ignore[attr-defined]
    assert alive(tmp_path / "pids") == []
    assert run(local, "train")[0].ended is RunEnd.FINISHED


def test_what_the_script_imports_is_loaded_ahead_if_it_holds_nothing_of_torch(local: Local) -> None:
    run(local, "train")
    run(local, "train")
    assert local.imports is not None
    assert not {name.partition(".")[0] for name in local.imports} & {"torch", "gradmedic"}


def test_trials_are_started_in_the_users_folder_with_one_thread_each(local: Local) -> None:
    environment = local._environment()
    assert {environment[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} == {"1"}
    assert 1 <= cores() <= (os.cpu_count() or 1)


HALF_WAY = """
import sys
from gradmedic.trials.runners.local import Local
from gradmedic.trials.trial import Script, Trial
with Local(Script(sys.argv[1], ("slow", sys.argv[2]), in_place=True), jobs=2) as runner:
    for outcome in runner.run([Trial(steps=1), Trial(), Trial()]):
        print("one is done", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_child_is_left_when_the_one_who_asked_is_gone(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    asking = subprocess.Popen(
        [sys.executable, "-c", HALF_WAY, PATIENTS, str(tmp_path / "pids")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        start_new_session=True,
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == b"one is done\n"
    os.kill(asking.pid, number)
    asking.communicate(timeout=30)
    assert alive(tmp_path / "pids") == []
    for _ in range(50):
        if not (left := [*(tmp_path / "temporary").glob("gradmedic*")]):
            break
        time.sleep(0.1)
    assert left == []
