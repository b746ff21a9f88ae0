"""The journal keeps up, survives a kill, and never gets in the way."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from gradmedic.base.errors import GradmedicWarning, RecordingError
from gradmedic.recording import reader
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Capture, Event, Stream, Vital
from gradmedic.recording.writer import RecordingWriter

BEGIN = """
import os, sys, time
from gradmedic.recording.writer import RecordingWriter
from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Capture, Event, Vital
from gradmedic.recording.site import Kind, Site
folder = sys.argv[1]
recorder = Recorder({"script": "train.py"}, RecordingWriter(folder))
"""

ENDLESS = """
ledger = Ledger("fc", (Entry(0, "fc", "linear", Kind.WEIGHTS, -1.0), Entry(1, "act", "relu", Kind.ACTIVATION, -0.5)))
for step in range(10**9):
    recorder.site(Site(step % 50, "fc", Kind.WEIGHTS, "linear", repeats=step))
    recorder.vital(Vital(step, 0, time.time(), 1.0 / (step + 1), 1.0))
    if step % 5 == 0:
        numbers = {site: {"grad_rms": step + site / 7, "grad_norm": 1e-30} for site in range(30)}
        recorder.capture(Capture(step, 0, time.time(), 1.0, numbers, numbers, {0: [1.0, 2.0]}, {0: [0, 1]}, (ledger,)))
    print(step, time.time(), flush=True)
    time.sleep(float(sys.argv[2]))
"""


def python(code: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", BEGIN + code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def rows(folder: Path, table: str) -> list[dict[str, object]]:
    files = sorted((folder / "rank-00000").glob(f"{table}*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def train(recorder: Recorder) -> None:
    for step in range(5):
        recorder.vital(Vital(step, 0, 0.0, 1.0))
        recorder.event(Event("note", step))
        time.sleep(0.05)
    recorder.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_kill_costs_the_last_second_at_most(tmp_path: Path, seed: int) -> None:
    pause = "0.001" if seed % 2 else "0"
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + ENDLESS, str(tmp_path), pause], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        first_time = float(run.stdout.readline().split()[1])
        threading.Timer(random.Random(seed).uniform(0.0, 1.0), run.kill).start()
        times = [first_time, *(float(line.split()[1]) for line in run.stdout if line.endswith("\n"))]
    loaded = reader.load(tmp_path)
    steps = [vital.step for vital in loaded.vitals]
    assert times[-1] - max((vital.time for vital in loaded.vitals), default=first_time) <= 1.0
    assert steps == sorted(set(steps))
    assert steps or not loaded.captures
    # Chains are written one after another: a kill in between may leave holes, in the last second only.
    holes = [before.time for before, after in pairwise(loaded.vitals[-1024:]) if after.step != before.step + 1]
    assert all(times[-1] - hole <= 1.0 for hole in holes)
    for capture in loaded.captures:
        assert capture.sites.keys() == capture.parameters.keys() == set(range(30))
        assert capture.sites[29] == {"grad_rms": capture.step + 29 / 7, "grad_norm": 1e-30}
        assert (capture.profiles, capture.times) == ({0: [1.0, 2.0]}, {0: [0, 1]})
        assert [ledger.total for ledger in capture.ledgers] == [-1.5]


def test_an_event_is_on_disk_at_once(tmp_path: Path) -> None:
    journal = RecordingWriter(tmp_path)
    journal.event(Event("non-finite", 3, {"op": "log"}))
    deadline = time.monotonic() + 5
    while not rows(tmp_path, "events") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [row["step"] for row in rows(tmp_path, "events")] == [3]
    journal.close()


def test_everything_else_is_on_disk_within_a_second(tmp_path: Path) -> None:
    journal = RecordingWriter(tmp_path)
    journal.vital(Vital(0, 0, 0.0, 1.0))
    journal.capture(Capture(0))
    time.sleep(1.0)
    assert [len(rows(tmp_path, table)) for table in ("vitals", "captures")] == [1, 1]
    journal.close()


def test_close_joins_the_thread_and_notes_how_it_ended(tmp_path: Path) -> None:
    recorder = Recorder({"script": "train.py"}, RecordingWriter(tmp_path))
    recorder.vital(Vital(0, 0, 0.0, float("inf")))
    recorder.close(exit_code=3)
    recorder.close(exit_code=4)
    recorder.vital(Vital(1, 0, 0.0, 1.0))
    assert recorder.journal
    assert not recorder.journal._background._alive.locked()
    assert reader.load(tmp_path).run == {"schema": 1, "script": "train.py", "exit_code": 3}
    assert reader.load(tmp_path).losses(0) == [(0, float("inf"))]


def test_a_script_that_never_closes_loses_nothing(tmp_path: Path) -> None:
    done = python("for step in range(3000): recorder.vital(Vital(step, 0, 0.0, 1.0))", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(reader.load(tmp_path).vitals) == 3000


def test_closing_while_the_interpreter_shuts_down_loses_nothing(tmp_path: Path) -> None:
    code = """
import atexit
def last():
    recorder.vital(Vital(1, 0, 0.0, 1.0))
    recorder.close(ending="exit")
atexit.register(last)
recorder.vital(Vital(0, 0, 0.0, 1.0))
sys.exit(5)
"""
    done = python(code, tmp_path)
    assert (done.returncode, done.stderr) == (5, "")
    assert reader.load(tmp_path).losses(0) == [(0, 1.0), (1, 1.0)]
    assert reader.load(tmp_path).run["ending"] == "exit"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("ending", ["sys.exit(0)", "recorder.close(exit_code=9); os._exit(0)"])
def test_a_forked_child_leaves_the_recording_alone(tmp_path: Path, ending: str) -> None:
    code = f"""
recorder.vital(Vital(0, 0, 0.0, 1.0))
child = os.fork()
if child == 0:
    for step in range(10_000):
        recorder.vital(Vital(100 + step, 0, 0.0, 1.0))
        recorder.capture(Capture(100 + step))
        recorder.event(Event("note", 100 + step))
    {ending}
assert os.waitpid(child, 0)[1] == 0
recorder.vital(Vital(1, 0, 0.0, 1.0))
"""
    done = python(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = reader.load(tmp_path)
    assert (loaded.losses(0), loaded.captures, loaded.events) == ([(0, 1.0), (1, 1.0)], [], [])
    assert "exit_code" not in loaded.run


def test_a_folder_that_vanishes_ends_the_recording_with_one_warning(tmp_path: Path) -> None:
    recorder = Recorder({}, RecordingWriter(tmp_path / "run"))
    shutil.rmtree(tmp_path / "run")
    with pytest.warns(GradmedicWarning, match="stops recording") as warned:
        train(recorder)
    assert len(warned) == 1
    assert len(recorder.recording().vitals) == 5
    [failure] = recorder.recording().events_of("failure")
    assert failure.data["part"] == "journal"
    assert not (tmp_path / "run").exists()


def test_a_full_disk_ends_the_recording_with_one_warning(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for step in range(2_000):
    recorder.vital(Vital(step, 0, 0.0, 1.0))
    time.sleep(0.0005)
print(len(recorder.recording().vitals))
"""
    done = python(code, tmp_path)
    assert (done.returncode, done.stdout) == (0, "2000\n")
    assert done.stderr.count("GradmedicWarning") == 1
    assert 0 < len(reader.load(tmp_path).vitals) < 2_000


def test_not_even_warnings_as_errors_reach_the_run(tmp_path: Path) -> None:
    code = """
import shutil
shutil.rmtree(folder)
recorder.event(Event("note", 0))
time.sleep(0.2)
print(recorder.recording().events_of("failure")[0].data["part"])
"""
    done = python(code, tmp_path / "run", "-W", "error")
    assert (done.returncode, done.stdout, done.stderr) == (0, "journal\n", "")


def test_a_place_that_cannot_be_written_to_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(GradmedicWarning, match="stops recording"):
        recorder = Recorder({}, RecordingWriter(tmp_path / "file" / "run"))
    recorder.vital(Vital(0, 0, 0.0, 1.0))
    recorder.close()
    assert recorder.recording().losses(0) == [(0, 1.0)]


def test_a_value_that_no_row_can_hold_ends_the_recording_only(tmp_path: Path) -> None:
    recorder = Recorder({}, RecordingWriter(tmp_path))
    recorder.event(Event("note", 0, {(1, 2): "keys of JSON are text"}))  # type: ignore[dict-item]
    with pytest.warns(GradmedicWarning, match="stops recording"):
        recorder.close()
    assert len(recorder.recording().events) == 2


def test_numbers_of_array_libraries_and_paths_are_written_plainly(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    numbers = {"grad_rms": numpy.float32(0.5), "gain": numpy.float32("-inf"), "grad": numpy.int64(1)}
    recorder = Recorder({"folder": tmp_path}, RecordingWriter(tmp_path))
    recorder.vital(Vital(0, 0, 0.0, numpy.float64(2.0)))
    recorder.capture(Capture(0, sites={0: numbers}))
    recorder.close()
    loaded = reader.load(tmp_path)
    assert loaded.run["folder"] == str(tmp_path)
    assert loaded.losses(0) == [(0, 2.0)]
    assert loaded.captures[0].sites[0] == {"grad_rms": 0.5, "gain": float("-inf"), "grad": 1}


def test_a_new_recording_replaces_the_old_one(tmp_path: Path) -> None:
    for loss in (1.0, 2.0):
        recorder = Recorder({}, RecordingWriter(tmp_path))
        recorder.stream(Stream(int(loss)))
        recorder.vital(Vital(0, 0, 0.0, loss))
        recorder.close()
    loaded = reader.load(tmp_path)
    assert (loaded.losses(0), list(loaded.streams)) == ([(0, 2.0)], [2])


def test_leaves_a_folder_of_somebody_else_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"name": "mine"}')
    with pytest.raises(RecordingError, match="not gradmedic's"):
        RecordingWriter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_ranks_share_a_folder_and_rank_0_writes_the_facts(tmp_path: Path) -> None:
    recorders = [Recorder({"rank": rank}, RecordingWriter(tmp_path, rank)) for rank in (1, 0, 2)]
    for recorder in recorders:
        recorder.vital(Vital(0, 0, 0.0, 1.0))
        recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rank-00000", "rank-00001", "rank-00002", "run.json"]
    assert reader.load(tmp_path).run["rank"] == 0


def test_a_long_run_stays_small_on_disk(tmp_path: Path) -> None:
    recorder = Recorder({}, RecordingWriter(tmp_path))
    for step in range(200_000):
        recorder.vital(Vital(step, 0, 1.7e9 + step, 1 / (step + 1), 3 / (step + 1)))
    recorder.close()
    assert len(reader.load(tmp_path).vitals) < 1024 + 2048 * 9
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.jsonl")) < 4e6
    assert len(list(tmp_path.rglob("*.jsonl"))) < 40
