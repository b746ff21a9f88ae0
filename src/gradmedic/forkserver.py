"""Start runs from a process that has loaded torch already, watch over them, and leave none behind.

Importing torch takes seconds, forking a process that has done so takes a twentieth of one. The
server is a plain Python process of its own. It reads one job per line from stdin, answers with one
line per job that has ended, and never computes anything, so that what it forks is as good as fresh.
When stdin ends, by order or because whoever asked is gone, every run is killed and the server ends.

    {"id": 3, "target": ..., "args": [...], "as_module": false, "folder": ..., "settings": {...},
     "output": folder for stdout.txt, stderr.txt and imports.json, "seconds": 60, "memory": 2e9}
    {"id": 3, "status": 0, "ended": "", "seconds": 2.4, "processor": 2.3, "memory": 3.1e8}
    {"preload": ["numpy", ...]}    answered by    {"warm": true}
    {"kill": true}                 every run ends, and is told of as "killed"

`status` is an exit code, or minus the number of a signal; `ended` tells whether the server has ended
the run, and why: "timed-out", "out-of-memory", "killed".
"""

import ctypes
import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gradmedic import launch, settings
from gradmedic.warmup import noting_imports, warm_up

TICK = 0.05
"""Seconds between two looks at the runs."""
GRACE = 3.0
"""Seconds that a run which has been asked to end has for it."""
PR_SET_PDEATHSIG = 1


@dataclass
class Running:
    """One run: the leader of its own process group."""

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
            if time.monotonic() - self.asked > GRACE:
                self.signal(signal.SIGKILL)
        elif self.peak > (self.job["memory"] or float("inf")):
            self.end("out-of-memory", signal.SIGKILL)
        elif self.seconds > (self.job["seconds"] or float("inf")):
            self.end("timed-out", signal.SIGTERM)

    def end(self, why: str, how: int) -> None:
        """End it for a reason."""
        self.ended, self.asked = why, time.monotonic()
        self.signal(how)

    def signal(self, number: int) -> None:
        """Send a signal to the run and to whatever it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


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
        self.leave()
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
                run.end("killed", signal.SIGKILL)
        elif (pid := os.fork()) == 0:
            return True
        else:
            with suppress(OSError):  # the child does the same: whoever comes first
                os.setpgid(pid, pid)
            self.running[pid] = Running(job, pid)
        return False

    def reap(self, run: Running) -> None:
        """Tell of a run that has ended; what it has started ends with it."""
        pid, status, usage = os.wait4(run.pid, os.WNOHANG)
        if pid == 0:
            return
        run.signal(signal.SIGKILL)
        del self.running[pid]
        unit = 1 if sys.platform == "darwin" else 1024
        told = {"id": run.job["id"], "status": os.waitstatus_to_exitcode(status), "ended": run.ended}
        spent = {"seconds": run.seconds, "processor": usage.ru_utime + usage.ru_stime}
        tell({**told, **spent, "memory": max(run.peak, usage.ru_maxrss * unit)})

    def leave(self) -> None:
        """Kill what still runs."""
        for run in self.running.values():
            run.signal(signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(run.pid, 0)


def tell(row: dict[str, Any]) -> None:
    """Answer with one line; nobody listens any more when the other side is gone."""
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(row).encode() + b"\n")


def memory_of(leader: int) -> float:
    """Bytes in memory of a process and of all that it has started; 0 where the system does not tell."""
    total, ahead = 0.0, [leader]
    while ahead:
        pid = ahead.pop()
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                ahead += [int(child) for child in file.read().split()]
    return total


def die_with_server() -> None:
    """Have the system kill this process when the server is killed, where the system can."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def perform(job: dict[str, Any]) -> NoReturn:
    """In the child: stand where the script is to stand, and run it."""
    os.setpgid(0, 0)
    die_with_server()
    os.chdir(job["folder"])
    for number, name in ((1, "stdout.txt"), (2, "stderr.txt")):
        file = os.open(os.path.join(job["output"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = settings.merged(settings.Settings(), job["settings"], "treat")
    with noting_imports(os.path.join(job["output"], "imports.json")):
        launch.run(job["target"], job["args"], as_module=job["as_module"], settings=chosen)


def main() -> None:
    """Load what every run needs, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asked
    import torch  # noqa: F401

    import gradmedic.judge
    import gradmedic.probe  # noqa: F401

    gc.freeze()
    tell({"ready": os.getpid()})
    job = Server().serve()
    if job is not None:
        perform(job)


if __name__ == "__main__":
    main()
