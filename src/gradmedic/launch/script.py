"""Run a script as if Python itself had started it.

Its tracebacks are shown without our frames, and it has its own way to end; what it finds around
itself is set up in `stage`.
"""

import importlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import NoReturn

from gradmedic.base import PACKAGE
from gradmedic.base.errors import LaunchError
from gradmedic.base.settings import Settings
from gradmedic.base.surroundings import say
from gradmedic.launch.exits import before_exit, handlers_waiting
from gradmedic.launch.predict_session import PredictionRequest, PredictSession
from gradmedic.launch.session import Session
from gradmedic.launch.shadows import Shadows
from gradmedic.launch.sigterm import before_sigterm
from gradmedic.launch.stage import perform, refuse_what_is_no_script
from gradmedic.launch.stopping import StopRun
from gradmedic.launch.watch_session import WatchSession

DISPATCHES = ("torch._compile", "torch._dynamo.", "torch._ops")
"""Modules of torch whose frames stand between an operation and who listens to it."""


@dataclass(frozen=True)
class Ending:
    """How a script ended: a word for the recording, and the exit code that Python gives it."""

    word: str
    status: int


def run(target: str, args: Sequence[str], *, as_module: bool, settings: Settings) -> NoReturn:
    """Run a script or module under observation, and leave as Python would leave."""
    if not as_module:
        refuse_what_is_no_script(target)
    conduct(WatchSession(settings, target, [target, *args]), target, args, as_module)


def foresee(target: str, args: Sequence[str], *, as_module: bool, asked: PredictionRequest) -> NoReturn:
    """Run a script or module up to the first pass of each stream, and print what was predicted of it."""
    if not as_module:
        refuse_what_is_no_script(target)
    conduct(PredictSession(asked, target, [target, *args]), target, args, as_module)


def conduct(session: Session, target: str, args: Sequence[str], as_module: bool) -> NoReturn:
    """Run the target while somebody watches, who has the last word on the exit code."""
    session.open()
    before_sigterm(lambda: session.close("terminated", 128 + signal.SIGTERM))
    before_exit(session.leave)
    ending = ended_by(error_of(target, args, as_module, session.shadows))
    leave(Ending(ending.word, last_word(session, ending)))


def last_word(session: Session, ending: Ending) -> int:
    """The exit code, once the report is out; nothing of the script's comes between, but Ctrl-C may."""
    try:
        with handlers_waiting():
            return session.close(ending.word, ending.status)
    except KeyboardInterrupt:
        leave(Ending("interrupted", 128 + signal.SIGINT))


def error_of(target: str, args: Sequence[str], as_module: bool, shadows: Shadows) -> BaseException | None:
    """Run the target as `__main__`; what it raised, if anything."""
    try:
        perform(target, list(args), as_module, shadows)
    except LaunchError:
        raise
    except BaseException as error:
        return error
    return None


def ended_by(error: BaseException | None) -> Ending:
    """How Python ends after this exception; what Python prints has then been printed."""
    if error is None:
        return Ending("finished", 0)
    if isinstance(error, SystemExit):
        word = "stopped" if isinstance(error, StopRun) else "finished"
        if error.code is None or isinstance(error.code, int):
            return Ending(word, error.code or 0)
        say(sys.stderr, error.code)
        return Ending(word, 1)
    peel(error)
    display(error)
    return Ending("interrupted", 128 + signal.SIGINT) if type(error) is KeyboardInterrupt else Ending("crashed", 1)


def leave(ending: Ending) -> NoReturn:
    """End this process; Python runs atexit handlers and, after Ctrl-C, lets the signal kill it."""
    if ending.word == "interrupted":
        sys.excepthook = lambda *_: None  # the traceback has been shown
        raise KeyboardInterrupt
    sys.exit(ending.status)


def display(error: BaseException) -> None:
    """Show an exception the way Python does when nobody catches it."""
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except Exception as second:
        peel(second)
        say(sys.stderr, "Error in sys.excepthook:")
        sys.__excepthook__(type(second), second, second.__traceback__)
        say(sys.stderr, "\nOriginal exception was:")
        sys.__excepthook__(type(error), error, error.__traceback__)


def peel(error: BaseException) -> None:
    """Take our frames out of an exception's traceback, and out of those that it was raised from."""
    seen: dict[int, BaseException] = {}
    ahead: list[BaseException | None] = [error]
    while ahead:
        one = ahead.pop()
        if one is not None and id(one) not in seen:
            seen[id(one)] = one
            one.__traceback__ = without_us(one.__traceback__)
            ahead += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def without_us(traceback: TracebackType | None) -> TracebackType | None:
    """The same traceback without frames of gradmedic's own files, and without those that they brought with them."""
    kept: list[TracebackType] = []
    dispatched = False
    for entry in entries(traceback):
        code = entry.tb_frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            dispatched = dispatched and _dispatches(entry)
            kept += [] if dispatched else [entry]
        elif kept and kept[-1].tb_frame.f_code.co_name == "handle_torch_function":
            del kept[-2:]  # a function of torch that asks us first, and is then called once more
        elif code.co_name == "__torch_dispatch__":
            dispatched = True
            while kept and _dispatches(kept[-1]):
                del kept[-1]
    rest = None
    for entry in reversed(kept):
        entry.tb_next = rest
        rest = entry
    return rest


def _dispatches(entry: TracebackType) -> bool:
    return str(entry.tb_frame.f_globals.get("__name__", "")).startswith(DISPATCHES)


def entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    """The entries of a traceback, the outermost first."""
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def found_in(target: str) -> object:
    """What `module:name` or `file.py:name` names, looked for from the current folder as `python` would.

    Raises `LaunchError` if there is no such module, or no such name in it.
    """
    place, _, name = target.rpartition(":")
    if not place or not name:
        raise LaunchError(f"{target!r} is not MODULE:NAME, as in package.models:Net or train.py:net")
    sys.path.insert(0, os.getcwd())
    try:
        module = _from_file(place) if place.endswith(".py") else importlib.import_module(place)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise LaunchError(f"there is no module {place!r}: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise LaunchError(f"there is no {name!r} in {place}")
        found = getattr(found, part)
    return found


def _from_file(path: str) -> ModuleType:
    name = os.path.splitext(os.path.basename(path))[0]
    loader = SourceFileLoader(name, path)
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(loader.get_code(name), module.__dict__)  # type: ignore[arg-type]
    return module
