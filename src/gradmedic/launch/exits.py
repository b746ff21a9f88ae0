"""Have the last word where a script ends in ways that Python does not tell of."""

import operator
import os
import signal
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import NoReturn

PATIENCE = 10.0
"""Seconds that an exit from a thread waits: who ends a process from there often does so because it hangs."""


def before_exit(call: Callable[[int], int]) -> None:
    """Call `call` with the exit code when the script calls `os._exit`, which then leaves with what it returns."""
    original, main = os._exit, get_ident()

    @wraps(original)
    def _exit(status: int) -> NoReturn:
        code = operator.index(status)
        with suppress(BaseException):
            code = call(code) if get_ident() == main else in_time(call, code)
        original(code)

    os._exit = _exit


def in_time(call: Callable[[int], int], code: int) -> int:
    """What `call` makes of an exit code, or the code itself if that takes too long."""
    found, over = [code], allocate_lock()
    over.acquire()

    def work() -> None:
        with suppress(BaseException):
            found.append(call(code))
        over.release()

    start_new_thread(work, ())
    over.acquire(timeout=PATIENCE)
    return found[-1]


@contextmanager
def handlers_waiting() -> Iterator[None]:
    """Keep the script's signal handlers waiting: the script is over, and what they raise would land in our code."""
    waiting: list[int] = []
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    held = {n: h for n, h in handlers.items() if callable(h) and h is not signal.default_int_handler}
    for number in held:
        signal.signal(number, lambda number, frame: waiting.append(number))
    try:
        yield
    finally:
        for name, handler in held.items():
            signal.signal(name, handler)
        with suppress(BaseException):  # under Python it would be raised where the process ends, and be ignored
            for late in waiting:
                signal.raise_signal(late)
