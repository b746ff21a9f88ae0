"""Work that is done beside the script, in a thread that the script does not meet.

Not on the script's own thread: a disk that hangs would hang the training. Not in a process: the script
may wait for its children. So it is a thread that `threading` does not know, which takes no signal (a
script may block one in all of its threads and wait for it) and is not there while the script forks.
"""

import os
import signal
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakMethod

REST = 1.0
"""Seconds that a fork waits for work that is being done."""


class Background:
    """Does `work` every so many seconds and when it is hurried, until that returns False or it is stopped."""

    def __init__(self, work: Callable[[], bool], every: float) -> None:
        self._work, self._every = work, every
        self._asleep, self._alive = allocate_lock(), allocate_lock()
        self._asleep.acquire()
        self._stopping = False
        self._pid = os.getpid()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=weakly(self._rest))

    def start(self) -> None:
        """Begin, unless it goes on already; not any more where Python is about to end."""
        if not self._alive.acquire(blocking=False):
            return
        self._stopping = False
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # a new thread inherits it
        try:
            start_new_thread(self._go_on, ())
        except RuntimeError:
            self._alive.release()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def hurry(self) -> None:
        """Do the work now."""
        with suppress(RuntimeError):  # it is awake
            self._asleep.release()

    def stop(self, patience: float) -> bool:
        """Do the work once more and end; False if that has taken longer than so many seconds."""
        self._stopping = True
        self.hurry()
        ended = self._alive.acquire(timeout=patience)
        if ended:
            self._alive.release()
        return ended

    def _go_on(self) -> None:
        going = True
        while going:
            self._asleep.acquire(timeout=self._every)
            last = self._stopping
            going = self._work() and not last
        self._alive.release()

    def _rest(self) -> None:
        """A fork would leave locks behind in the child as they are; `start` begins anew."""
        if os.getpid() == self._pid:
            self.stop(REST)


def in_forked_children(call: Callable[[], None]) -> None:
    """Have `call` called first thing in every child that this process forks, where there is fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)


def weakly(method: Callable[[], None]) -> Callable[[], None]:
    """A callback that does not keep its object alive: at-fork handlers are never unregistered."""
    weak = WeakMethod(method)

    def call() -> None:
        alive = weak()
        if alive is not None:
            alive()

    return call
