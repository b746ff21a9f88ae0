"""Stand over one run: hear what it prints, pass on what it is asked, and let nothing of it live on.

Between the server and each run stands a process of ours. Whatever the run starts, in a session of
its own or left by its parent, becomes a child of this process in the end (Linux), and is killed
when the run is over. SIGTERM asks the run to end; SIGHUP, which also comes when the server is gone,
ends it at once.
"""

import json
import os
import resource
import selectors
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from gradmedic.trials.excerpt import Excerpt
from gradmedic.trials.isolation import kernel

ASK, END = signal.SIGTERM, signal.SIGHUP
HEARD = (signal.SIGCHLD, ASK, END)
PIPE = 1 << 18
NOTES = ("stdout.txt", "stderr.txt")
METRIC = "metric.json"


def supervise(server: int, output: str, expression: str | None) -> None:
    """Fork a run, and return in it; the process above it waits, and leaves as the run does.

    `output` gets the beginning and the end of what the run prints, and what the expression found.
    The signals in `HEARD` have to be blocked.
    """
    parent = os.getpid()
    pipes = [os.pipe() for _ in NOTES]
    with suppress(OSError):
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    if (pid := os.fork()) == 0:
        for number, (read, write) in enumerate(pipes, start=1):
            os.dup2(write, number)
            os.close(read)
            os.close(write)
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        die_with(parent, signal.SIGKILL)
        return
    for _, write in pipes:
        os.close(write)
    Supervisor(pid, [read for read, _ in pipes], Path(output), expression).watch(server)


class Supervisor:
    """Watches over one run until it is over."""

    def __init__(self, pid: int, pipes: list[int], output: Path, expression: str | None) -> None:
        self.pid = pid
        self.pipes = pipes
        self.output = output
        self.excerpts = dict(zip(pipes, (Excerpt(expression), Excerpt()), strict=True))
        self.status: int | None = None

    def watch(self, server: int) -> NoReturn:
        """Read and wait until the run is over; then end what it has started, and leave."""
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(self.pid, self.pid)
        selector = self._selector()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        die_with(server, END)
        while self.status is None:
            for key, _ in selector.select():
                if key.fd not in self.excerpts:
                    self._heed(os.read(key.fd, 1 << 10))
                elif not self._read(key.fd):
                    selector.unregister(key.fd)
        self._signal(signal.SIGKILL)
        end_children()
        for pipe in self.pipes:
            while self._read(pipe):
                pass
        self._write()
        leave_as(self.status)

    def _selector(self) -> selectors.BaseSelector:
        """What there is to be heard: the run's output, and signals as bytes in a pipe."""
        heard, told = os.pipe()
        os.set_blocking(told, False)
        selector = selectors.DefaultSelector()
        for pipe in (*self.pipes, heard):
            os.set_blocking(pipe, False)
            selector.register(pipe, selectors.EVENT_READ)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, lambda *_: None)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1):  # those of the server: whoever listens there has to learn when it is gone
            os.dup2(null, stream)
        return selector

    def _read(self, pipe: int) -> bool:
        """Read what there is; False at the end, and where nothing is waiting."""
        try:
            data = os.read(pipe, PIPE)
        except BlockingIOError:
            return self.status is None
        self.excerpts[pipe].add(data)
        return bool(data)

    def _heed(self, signals: bytes) -> None:
        """Do what signals ask for."""
        if ASK in signals:
            self._signal(signal.SIGTERM)
        if END in signals:
            self._signal(signal.SIGKILL)
        for pid, status in ended():
            if pid == self.pid:
                self.status = status

    def _signal(self, number: int) -> None:
        """Send a signal to the run and its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _write(self) -> None:
        """Write down what was printed, and found in it."""
        excerpts = [self.excerpts[pipe] for pipe in self.pipes]
        with suppress(OSError):
            for name, excerpt in zip(NOTES, excerpts, strict=True):
                (self.output / name).write_bytes(excerpt.text)
            (self.output / METRIC).write_text(json.dumps(excerpts[0].found), encoding="utf-8")


def ended() -> list[tuple[int, int]]:
    """The children that have ended, each with its status; among them those that others have left to us."""
    found = []
    with suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def end_children() -> None:
    """Kill all children; theirs become ours by that, and are killed as well."""
    while killed := [pid for pid in children_of(os.getpid()) if kill(pid)]:
        for pid in killed:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def kill(pid: int) -> bool:
    """Kill a process; False where that is not allowed, or it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except OSError:
        return False


def children_of(pid: int) -> list[int]:
    """The children of a process; none where the system does not tell."""
    found: list[int] = []
    with suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    return found


def die_with(parent: int, number: int) -> None:
    """Have the system send a signal to this process when its parent is gone, where the system can."""
    with suppress(OSError):
        kernel.prctl(kernel.PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def leave_as(status: int) -> NoReturn:
    """End this process as a child has ended, by the same signal or with the same exit code."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    sys.stderr.flush()
    os._exit(code if code >= 0 else 128 - code)
