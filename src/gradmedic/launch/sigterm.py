"""Do something before SIGTERM kills this process, unseen by the script that runs in it."""

import os
import signal
from collections.abc import Callable, Collection
from threading import get_ident
from types import FrameType

masks: dict[int, Collection[int]] = {}
"""By thread: the signals that it had blocked before it forked."""


def before_sigterm(call: Callable[[], object]) -> None:
    """Call `call` when SIGTERM comes, and then die by it, unless somebody else handles the signal."""
    if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return
    signal.signal(signal.SIGTERM, SigtermHandler(call))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=give_back)


class SigtermHandler:
    """Stands in the place of SIG_DFL.

    Frameworks ask whether SIGTERM has a handler before they set their own, and would leave it at
    this one. It therefore passes for SIG_DFL: the module `signal` turns whatever is an int and
    equals 0 into that, and so tells the script that there is no handler.
    """

    __class__ = int  # type: ignore[assignment]

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.call()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def __eq__(self, other: object) -> bool:
        return other is self or (type(other) in (int, signal.Handlers) and int(signal.SIG_DFL) == other)

    def __hash__(self) -> int:
        return hash(signal.SIG_DFL)


def hold() -> None:
    """Keep SIGTERM waiting while a child is forked: it must find the child's own handler."""
    masks[get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def let_go() -> None:
    """Let SIGTERM through again."""
    signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop(get_ident(), ()))


def give_back() -> None:
    """Have SIGTERM kill a forked child at once, unless the script has a handler of its own."""
    handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if handler != signal.SIG_DFL:
        signal.signal(signal.SIGTERM, handler)
    let_go()
