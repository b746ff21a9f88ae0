"""Trials on this machine, forked from a process that has loaded torch already."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradmedic.base.errors import LaunchError
from gradmedic.trials import job as attempt
from gradmedic.trials.isolation import Isolation
from gradmedic.trials.isolation.folder_copy import is_within
from gradmedic.trials.runners import Runner
from gradmedic.trials.runners.watch import FolderWatch
from gradmedic.trials.scratch import remove
from gradmedic.trials.trial import Outcome, Trial

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Local(Runner):
    """Runs trials on this machine: as many at a time as it has cores, each on one thread.

    Every arm gets the same number of threads: `threads`, where a script needs more than one. `allowed`
    are the ways to keep trials from the user's files, of which the first that works is taken.
    """

    name = "local"
    threads = 1
    allowed: Sequence[str] = tuple(Isolation)

    def open(self) -> None:
        """Start the server and wait until it has loaded torch."""
        self.jobs = self.jobs or max(1, cores() // self.threads)
        self.count = 0
        self.imported: list[str] | None = None
        self.imports: list[str] | None = None
        self.server = self._started()
        self.isolation = Isolation.NONE if self.script.in_place else self._found()
        self.watch = None if self.script.in_place else FolderWatch(self.script, self.isolation)

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """Run trials, each in a fresh process, and yield outcomes as they come."""
        if self.imports is None:
            self._warm_up()
        waiting = iter(trials)
        running: dict[int, Trial] = {}
        try:
            while True:
                while len(running) < self.jobs and (trial := next(waiting, None)) is not None:
                    running[self._start(trial)] = trial
                if not running:
                    return
                answer = heard(self.server)
                outcome = self._outcome(running.pop(answer["id"]), answer)
                if self.watch is not None:
                    self.watch.check(outcome)
                yield outcome
        finally:
            self._kill(running)

    def has_own(self, file: Path) -> bool:
        """True if each trial has a version of a file of its own."""
        if self.isolation.copies:
            return is_within(str(file), os.path.abspath(self.script.folder))
        return self.isolation is Isolation.OVERLAY

    def close(self) -> None:
        """End the server, and with it all that it has started and the folder for what comes of it."""
        self._end_server()

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "gradmedic.launch.forkserver"]
        # In a session of its own: Ctrl-C is ours alone to hear. At the root, so that no file of the
        # script's folder passes for a module; each run goes to the script's folder itself.
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env=self._environment(),
            start_new_session=True,
        )
        self.scratch = Path(heard(server)["scratch"])
        return server

    def _found(self) -> Isolation:
        """How trials are kept from the user's files here."""
        folder = self._folder(0)
        folder.mkdir()
        tell(self.server, {"isolate": asdict(attempt.place_of(self.script, folder)), "allowed": self.allowed})
        found = Isolation(heard(self.server)["isolation"])
        self._remove(folder)
        return found

    def _end_server(self) -> None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def _environment(self) -> dict[str, str]:
        """One thread count for all; a fixed order of sets; and paths that hold in any folder."""
        paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        fixed = {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0")}
        threads = {name: str(self.threads) for name in THREADS}
        return os.environ | fixed | threads | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})

    def _start(self, trial: Trial) -> int:
        self.count += 1
        job = attempt.job(self.script, trial, self._folder(self.count), self.isolation, self.metric)
        tell(self.server, {"id": self.count, **job})
        return self.count

    def _outcome(self, trial: Trial, answer: dict[str, Any]) -> Outcome:
        folder = self._folder(answer["id"])
        found = attempt.outcome(trial, folder, answer)
        if self.imported is None:
            with suppress(OSError, ValueError):
                self.imported = json.loads((folder / "imports.json").read_bytes())
        self._remove(folder)
        return found

    def _remove(self, folder: Path) -> None:
        """Remove what has come of a trial, and what it has written."""
        for one in (folder, Path(f"{folder}-written")):
            remove(one)

    def _warm_up(self) -> None:
        """Have the server load what the first run has imported, so that the others need not."""
        if self.imported is None:
            return
        self.imports = self.imported
        tell(self.server, {"preload": self.imports})
        if not heard(self.server)["warm"]:
            self._end_server()
            self.server = self._started()

    def _kill(self, running: dict[int, Trial]) -> None:
        with suppress(LaunchError, OSError):  # it may be the server that has gone
            if running:
                tell(self.server, {"kill": True})
            for _ in running:
                heard(self.server)

    def _folder(self, number: int) -> Path:
        return self.scratch / f"{number:05}"


def tell(server: "subprocess.Popen[bytes]", row: dict[str, Any]) -> None:
    """Give a server a line."""
    assert server.stdin is not None
    server.stdin.write(json.dumps(row).encode() + b"\n")
    server.stdin.flush()


def heard(server: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """The next line of a server."""
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        raise LaunchError("the process that starts trials has ended unexpectedly")
    answer: dict[str, Any] = json.loads(line)
    return answer


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
