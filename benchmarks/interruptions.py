"""Interrupt `gradmedic treat`, `compare` and `run --record` at random moments, and say what they leave behind.

    python benchmarks/interruptions.py [--moments 20] [--commands treat compare] [--signals INT KILL] [--latest 45]
    python benchmarks/interruptions.py --kept [--latest 10]
    python benchmarks/interruptions.py --commands record --signals KILL [--latest 10]

Each time a script that writes files and starts a child in a session of its own is treated (compared) in a new folder,
and a signal is sent after a while that is drawn at random. Left behind is: a process that was started under the
command, whatever session it is in; a file in the folder for temporary files; any change of the user's folder but the
outcomes of trials. Where an outcome was kept, the same command is begun once more and has to go on from there; with
`--kept` that is so each time: the while begins when the first one is kept. Of a run that is recorded, where it begins
with the first row, what is left has to be judged by `gradmedic diagnose` without a traceback.
Linux only. The exit code is 1 if anything was left.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """
import subprocess, sys, time, torch
torch.manual_seed(0)
subprocess.Popen(["sleep", "600"], start_new_session=True)
x = torch.randn(128, 8)
y = (x[:, 0] > 0).long()
layers = [part for _ in range(8) for part in (torch.nn.Linear(8, 8), torch.nn.Sigmoid())]
model = torch.nn.Sequential(*layers, torch.nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(150):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        torch.save(model.state_dict(), "model.pt")
        open("train.log", "a").write(f"{step}\\n")
"""
RECORDED = SCRIPT.replace('subprocess.Popen(["sleep", "600"], start_new_session=True)\n', "").replace(
    "range(150)", "range(10**6)"
)
STORES = {"treat": "prescription.trials.jsonl", "compare": "comparison.trials.jsonl"}
OUTPUTS = ("prescription.toml", "comparison.json")
MARK = "RUN_THAT_IS_INTERRUPTED"
"""A variable that whatever is started under a command inherits."""
LATEST = 45.0
"""Seconds after which the signal is sent at the latest."""
GRACE = 30.0
"""Seconds that what is left may take to end."""
COMMANDS = {
    "treat": ("treat", "--minutes", "2", "--jobs", "2", "--seeds", "2"),
    "compare": ("compare", "--minutes", "2", "--jobs", "2", "-o", "comparison.json"),
    "record": ("run", "--record", "recording"),
}
FIRST_OUTCOME = 120.0
"""Seconds that the first outcome, or the recording, may let one wait for it."""


@dataclass(frozen=True)
class Moment:
    """One command that was interrupted: when, how far it had come, and what it has left."""

    command: str
    signal: str
    after: float
    code: int | None
    outcomes: int
    left: tuple[str, ...]

    def __str__(self) -> str:
        left = "; ".join(self.left) or "nothing left"
        return f"{self.command:8} {self.signal:5} {self.after:5.1f} s  exit {self.code}  {self.outcomes} kept  {left}"


def interrupted(command: str, name: str, after: float, scratch: Path, once_kept: bool) -> Moment:
    """Begin a command on a script in a new folder, send it a signal after a while, and look at what is left."""
    project, temporary = scratch / "project", scratch / "tmp"
    for folder in (project, temporary):
        folder.mkdir(parents=True)
    (project / "train.py").write_text(SCRIPT, encoding="utf-8")
    (project / "train.log").write_text("the user's\n", encoding="utf-8")
    before, mark = contents(project), uuid.uuid4().hex
    process = begun(command, project, temporary, mark)
    if once_kept:
        wait_for(process, lambda: kept(command, project) > 0)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    process.send_signal(signal.Signals[f"SIG{name}"])
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    left = [f"process {line}" for line in settled(mark)]
    left += [f"file {path.name} in the temporary folder" for path in temporary.iterdir()]
    ours = (STORES[command], *OUTPUTS)
    left += [f"changed {name}" for name, _ in contents(project) ^ before if name not in ours]
    count = kept(command, project)
    if count:
        left += resumed(command, project, temporary, mark, count)
    return Moment(command, name, after, process.poll(), count, tuple(left))


def recording_killed(name: str, after: float, scratch: Path) -> Moment:
    """Record a run, send it a signal after a while, and have what it has written judged."""
    project, mark = scratch / "project", uuid.uuid4().hex
    project.mkdir()
    (project / "train.py").write_text(RECORDED, encoding="utf-8")
    process = begun("record", project, scratch, mark)
    wait_for(process, lambda: rows(project) > 0)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after)
    process.send_signal(signal.Signals[f"SIG{name}"])
    process.wait(GRACE)
    left = [f"process {line}" for line in settled(mark)]
    if process.poll() != -signal.Signals[f"SIG{name}"]:
        left.append("the run had ended before")
    words = [sys.executable, "-m", "gradmedic", "diagnose", "recording"]
    judged = subprocess.run(words, cwd=project, capture_output=True, text=True, timeout=4 * GRACE)
    if judged.returncode not in (0, 3) or "Traceback" in judged.stderr:
        left.append(f"diagnose: exit {judged.returncode}, {judged.stderr.strip()[-200:]}")
    return Moment("record", name, after, process.poll(), rows(project), tuple(left))


def rows(project: Path) -> int:
    """The backward passes that are recorded so far."""
    return sum(file.read_bytes().count(b"\n") for file in (project / "recording").rglob("vitals*.jsonl"))


def wait_for(process: "subprocess.Popen[bytes]", happened: Callable[[], bool]) -> None:
    """Wait until something has happened, the process has ended, or it takes too long."""
    until = time.monotonic() + FIRST_OUTCOME
    while not happened() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def begun(command: str, project: Path, temporary: Path, mark: str) -> "subprocess.Popen[bytes]":
    """A command that goes on, its surroundings marked."""
    words = [sys.executable, "-m", "gradmedic", *COMMANDS[command], "train.py"]
    env = {**os.environ, MARK: mark, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, cwd=project, env=env, stdout=quiet, stderr=quiet, start_new_session=True)


def resumed(command: str, project: Path, temporary: Path, mark: str, count: int) -> list[str]:
    """Begin the command once more: it has to go on from what is kept, which one outcome more, or its end, shows."""
    first = (project / STORES[command]).read_bytes().splitlines()[: count + 1]
    process = begun(command, project, temporary, mark)
    wait_for(process, lambda: kept(command, project) > count)
    ended = process.poll()
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    left = [f"process {line} after going on" for line in settled(mark)]
    if (project / STORES[command]).read_bytes().splitlines()[: count + 1] != first:
        left.append(f"what was kept is gone when {command} goes on")
    if kept(command, project) <= count and ended != 0:
        left.append(f"{command} does not go on (exit {ended})")
    return left


def kept(command: str, project: Path) -> int:
    """The outcomes that are kept for the next time."""
    with suppress(OSError):
        return max(0, (project / STORES[command]).read_bytes().count(b"\n") - 1)
    return 0


def settled(mark: str) -> list[str]:
    """The marked processes that are still there after some time."""
    until = time.monotonic() + GRACE
    while (found := [*marked(mark)]) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def marked(mark: str) -> Iterator[str]:
    """The processes whose surroundings hold a mark, by their commands; those that have ended hold nothing."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def contents(folder: Path) -> set[tuple[str, str]]:
    """The files of a folder, by name and content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}


def main() -> int:
    """Interrupt, print a line for each moment, and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--commands", nargs="+", choices=[*COMMANDS], default=[*STORES])
    parser.add_argument("--signals", nargs="+", choices=["INT", "KILL", "TERM", "HUP"], default=["INT", "KILL"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--latest", type=float, default=LATEST, help="seconds after which the signal is sent at the latest"
    )
    parser.add_argument("--kept", action="store_true", help="begin the while when the first outcome is kept")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has the background ignore it, and all below
    lot, found = random.Random(options.seed), []
    plan = [(c, s) for _ in range(options.moments) for c in options.commands for s in options.signals]
    for command, name in plan:
        with tempfile.TemporaryDirectory() as scratch:
            after = lot.uniform(0, options.latest)
            if command == "record":
                found.append(recording_killed(name, after, Path(scratch)))
            else:
                found.append(interrupted(command, name, after, Path(scratch), options.kept))
        print(found[-1], flush=True)
    print(f"{sum(not one.left for one in found)} of {len(found)} left nothing")
    return int(any(one.left for one in found))


if __name__ == "__main__":
    sys.exit(main())
