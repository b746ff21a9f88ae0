"""Run a script as if Python itself had started it.

The script gets a real `__main__` module that stays in `sys.modules`, its own `sys.argv` and
`sys.path[0]`, its tracebacks without our frames and its own way to end. This file alone touches
these.
"""

import builtins
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType, TracebackType
from typing import NoReturn

from gradmedic.errors import LaunchError
from gradmedic.foresight import Asked, Foresight
from gradmedic.lookout import Stopped
from gradmedic.session import Session
from gradmedic.settings import Settings
from gradmedic.sigterm import before_sigterm
from gradmedic.surroundings import folder, say

OURS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")

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
    conduct(Session(settings, target, [target, *args]), target, args, as_module)


def foresee(target: str, args: Sequence[str], *, as_module: bool, asked: Asked) -> NoReturn:
    """Run a script or module up to the first pass of each stream, and print what was predicted of it."""
    if not as_module:
        refuse_what_is_no_script(target)
    conduct(Foresight(asked, target, [target, *args]), target, args, as_module)


def conduct(session: Session | Foresight, target: str, args: Sequence[str], as_module: bool) -> NoReturn:
    """Run the target while somebody watches, who has the last word on the exit code."""
    session.open()
    before_sigterm(lambda: session.close("terminated", 128 + signal.SIGTERM))
    ending = ended_by(perform(target, args, as_module))
    leave(Ending(ending.word, session.close(ending.word, ending.status)))


def perform(target: str, args: Sequence[str], as_module: bool) -> BaseException | None:
    """Compile and run the target as `__main__`; what it raised, if anything."""
    try:
        code = module_on_stage(target, args) if as_module else script_on_stage(target, args)
    except LaunchError:
        raise
    except BaseException as error:  # a syntax error, or a crash of the package that holds the module
        return error
    try:
        exec(code, sys.modules["__main__"].__dict__)
    except BaseException as error:
        return error
    return None


def ended_by(error: BaseException | None) -> Ending:
    """How Python ends after this exception; what Python prints has then been printed."""
    if error is None:
        return Ending("finished", 0)
    if isinstance(error, SystemExit):
        word = "stopped" if isinstance(error, Stopped) else "finished"
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


def refuse_what_is_no_script(target: str) -> None:
    """Complain in one sentence about what cannot be run."""
    if os.path.isdir(target):
        raise LaunchError(f"{target} is a folder; name a script in it, or run a package with -m")
    if not os.path.exists(target):
        raise LaunchError(f"there is no script {target}")


def script_on_stage(target: str, args: Sequence[str]) -> CodeType:
    """Make everything look as after `python target args...`; the compiled script."""
    set_the_scene([target, *args], os.path.dirname(os.path.realpath(target)))
    # Python names a script by its full path, but tidies that up no further than this.
    file = os.path.join(folder(), target)
    become_main(file=file, loader=SourceFileLoader("__main__", file))
    try:
        with open(file, "rb") as script:
            source = script.read()
    except OSError as error:
        raise LaunchError(f"cannot read {target}: {error.strerror}") from None
    return compile(source, file, "exec", dont_inherit=True)


def module_on_stage(target: str, args: Sequence[str]) -> CodeType:
    """Make everything look as after `python -m target args...`; the compiled module."""
    set_the_scene(["-m", *args], os.getcwd())
    spec = runnable(target)
    code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    if code is None or spec.origin is None:
        raise LaunchError(f"module {target} has no code that could be run")
    sys.argv[0] = spec.origin
    become_main(file=spec.origin, loader=spec.loader, spec=spec)
    return code  # type: ignore[no-any-return]


def runnable(target: str) -> ModuleSpec:
    """The spec of a module, or of the `__main__` of a package."""
    try:
        spec = importlib.util.find_spec(target)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{target}.__main__")
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise LaunchError(f"cannot find the module {target} ({type(error).__name__}: {error})") from None
    if spec is None:
        raise LaunchError(f"there is no module {target}, or it is a package without __main__")
    if not hasattr(spec.loader, "get_code"):
        raise LaunchError(f"module {target} has no code that could be run")
    return spec


def set_the_scene(argv: list[str], folder: str) -> None:
    """Put the script's arguments and its folder where the script looks for them."""
    sys.argv[:] = argv
    if not sys.flags.safe_path:
        sys.path[0] = folder


def become_main(file: str, loader: object, spec: ModuleSpec | None = None) -> None:
    """Put a fresh `__main__` in the place of ours, for good: pickle and multiprocessing look it up later."""
    main = ModuleType("__main__")
    names = {
        "__builtins__": builtins,
        "__cached__": spec.cached if spec else None,
        "__file__": file,
        "__loader__": loader,
        "__package__": spec.parent if spec else None,
        "__spec__": spec,
    }
    main.__dict__.update(names)
    if "__annotations__" in sys.modules["__main__"].__dict__:
        main.__annotations__ = {}
    sys.modules["__main__"] = main


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
        if not code.co_filename.startswith(OURS):
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
