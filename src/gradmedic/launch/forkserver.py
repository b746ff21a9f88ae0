"""Start runs from a process that has loaded torch already, watch over them, and leave none behind.

Importing torch takes seconds, forking a process that has done so takes a twentieth of one. The
server is a plain Python process of its own. It reads one job per line from stdin, answers with one
line per job that has ended, and never computes anything, so that what it forks is as good as fresh.
When stdin ends, by order or because whoever asked is gone, every run is killed, the scratch folder
removed, and the server ends.

    {"ready": 123, "scratch": a folder for the outputs}         once, before anything is asked for
    {"isolate": {"target": ..., "folder": ..., "output": ..., "layers": ...}, "allowed": [...]}
                                   answered by    {"isolation": "overlay"}
    {"id": 3, "place": {as above}, "isolation": "overlay", "args": [...], "settings": {...},
     "text": "", "metric": "accuracy (.*)", "seconds": 60, "memory": 2e9}
    {"id": 3, "status": 0, "ended": "", "seconds": 2.4, "processor": 2.3, "memory": 3.1e8}
    {"preload": ["numpy", ...]}    answered by    {"warm": true}
    {"kill": true}                 every run ends, and is told of as "killed"

`status` is an exit code, or minus the number of a signal; `ended` tells whether the server has ended
the run, and why: "timed-out", "out-of-memory", "killed".
"""

import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gradmedic.base import settings
from gradmedic.launch import script
from gradmedic.launch.preload import noting_imports, warm_up
from gradmedic.trials import isolation
from gradmedic.trials.isolation import Isolation, Workspace
from gradmedic.trials.scratch import Scratch
from gradmedic.trials.supervisor import ASK, END, HEARD, children_of, die_with, supervise

TICK = 0.05
"""Seconds between two looks at the runs."""
GRACE = 3.0
"""Seconds that a run which has been asked to end has for it."""


@dataclass
class Running:
    """One run, by the process that stands over it."""

    job: dict[str, Any]
    pid: int
    began: float = field(default_factory=time.monotonic)
    peak: float = 0.0
    ended: str = ""
    asked: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.began

    def look(self) -> None:
        """Ask it to end if it takes more than it may, and kill it if it does not obey."""
        self.peak = max(self.peak, memory_of(self.pid))
        if self.asked is not None:
            late = time.monotonic() - self.asked
            if late > GRACE:
                self.signal(END if late < 2 * GRACE else signal.SIGKILL)
        elif self.peak > (self.job["memory"] or float("inf")):
            self.end("out-of-memory", END)
        elif self.seconds > (self.job["seconds"] or float("inf")):
            self.end("timed-out", ASK)

    def end(self, why: str, how: int) -> None:
        """End it for a reason."""
        self.ended, self.asked = why, time.monotonic()
        self.signal(how)

    def signal(self, number: int) -> None:
        """Send a signal to the process that stands over the run."""
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)


class Server:
    """Reads jobs, forks, reaps."""

    def __init__(self) -> None:
        self.running: dict[int, Running] = {}
        self.unread = b""
        self.going = True

    def serve(self) -> dict[str, Any] | None:
        """Work until stdin ends. In a forked child: the job that it is there for."""
        while self.going:
            for job in self.jobs():
                if self.start(job):
                    return job
            for run in [*self.running.values()]:
                self.reap(run)
                run.look()
        return None

    def jobs(self) -> Iterable[dict[str, Any]]:
        """What has been asked for since the last look."""
        ready, _, _ = select.select([0], [], [], TICK if self.running else None)
        if ready:
            read = os.read(0, 1 << 16)
            self.going = bool(read)
            *lines, self.unread = (self.unread + read).split(b"\n")
            yield from (json.loads(line) for line in lines)

    def start(self, job: dict[str, Any]) -> bool:
        """Do what a line asks for; True in the process that is to run it."""
        if "preload" in job:
            tell({"warm": warm_up(job["preload"])})
            gc.freeze()  # a collection in a child would copy every page that the two share
        elif "kill" in job:
            for run in self.running.values():
                run.end("killed", END)
        elif "isolate" in job:
            tell({"isolation": isolation.found(Workspace(**job["isolate"]), job["allowed"], tried)})
        else:
            return self.fork(job)
        return False

    def fork(self, job: dict[str, Any]) -> bool:
        """Start a run under a process that stands over it; True in the run itself."""
        server = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        if (pid := os.fork()) == 0:
            supervise(server, job["place"]["output"], job["metric"])
            return True
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        self.running[pid] = Running(job, pid)
        return False

    def reap(self, run: Running) -> None:
        """Tell of a run that has ended; what it has started ends with it."""
        pid, status, usage = os.wait4(run.pid, os.WNOHANG)
        if pid == 0:
            return
        del self.running[pid]
        unit = 1 if sys.platform == "darwin" else 1024
        told = {"id": run.job["id"], "status": os.waitstatus_to_exitcode(status), "ended": run.ended}
        spent = {"seconds": run.seconds, "processor": usage.ru_utime + usage.ru_stime}
        tell({**told, **spent, "memory": max(run.peak, usage.ru_maxrss * unit)})

    def leave(self) -> None:
        """End what still runs, with all that it has started."""
        for run in self.running.values():
            run.signal(END)
        until = time.monotonic() + GRACE
        while self.running and time.monotonic() < until:
            for run in [*self.running.values()]:
                self.reap(run)
            time.sleep(TICK)
        for run in self.running.values():
            run.signal(signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(run.pid, 0)


def tell(row: dict[str, Any]) -> None:
    """Answer with one line; nobody listens any more when the other side is gone."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(row).encode() + b"\n")


def memory_of(above: int) -> float:
    """Bytes in memory of all that a process has started; 0 where the system does not tell."""
    total, ahead = 0.0, children_of(above)
    while ahead:
        pid = ahead.pop()
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/statm", encoding="ascii") as file:
            total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        ahead += children_of(pid)
    return total


def tried(action: Callable[[], object]) -> bool:
    """True if an action succeeds in a process of its own."""
    if (pid := os.fork()) == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def perform(job: dict[str, Any]) -> NoReturn:
    """In the run: keep it from the user's files, stand where the script is to stand, and run it."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    place, above = isolated(job), os.getppid()
    die_with(above, signal.SIGKILL)  # a change of privileges has taken that back
    chosen = settings.merged(settings.Settings(), job["settings"], "treat")
    with noting_imports(os.path.join(place.output, "imports.json")):
        script.run(place.target, job["args"], as_module=place.as_module, settings=chosen)


def isolated(job: dict[str, Any]) -> Workspace:
    """Keep this process from the user's files, go to its folder, and put the text there that the script is to have."""
    place = Workspace(**job["place"])
    try:
        place = isolation.enter(Isolation(job["isolation"]), place)
        os.chdir(place.folder)
        if job["text"] is not None:
            name, text = job["text"]
            with open(os.path.join(place.folder, name), "wb") as file:
                file.write(text.encode("latin-1"))
    except OSError as error:
        print(f"the trial could not be kept from the files of {place.folder}: {error}", file=sys.stderr)
        sys.exit(1)
    return place


def main() -> None:
    """Load what every run needs, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asked
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    scratch, server, job, above = Scratch(), Server(), None, os.getpid()
    try:
        load()
        tell({"ready": above, "scratch": str(scratch.folder)})
        job = server.serve()
    finally:
        if os.getpid() == above:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            server.leave()
            scratch.remove()
    if job is not None:
        perform(job)


def load() -> None:
    """Load torch, and ours."""
    import torch  # noqa: F401

    import gradmedic.diagnosis.judge
    import gradmedic.probe  # noqa: F401

    gc.freeze()


if __name__ == "__main__":
    main()
