"""Load ahead of time what every run of a script is going to import.

Only other people's installed packages are loaded ahead, and none that holds on to a part of torch:
remedies put functions of their own in the place of torch's, and a package that was loaded before
that would go on calling the old ones.
"""

import json
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType

INSTALLED = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}


@contextmanager
def noting_imports(file: str) -> Iterator[None]:
    """Write down, when the block ends, which modules it has imported that may be loaded ahead."""
    before = set(sys.modules)
    try:
        yield
    finally:
        loaded = {name: module for name, module in [*sys.modules.items()] if name not in before}
        with suppress(OSError), open(file, "w", encoding="utf-8") as out:
            json.dump(harmless(loaded), out)


def harmless(loaded: dict[str, ModuleType]) -> list[str]:
    """The names of installed modules whose package holds nothing of torch, in the order of loading."""
    bound = {package(name) for name, module in loaded.items() if holds_torch(module)} | {"torch", "gradmedic"}
    return [name for name, module in loaded.items() if package(name) not in bound and is_installed(module)]


def warm_up(names: Iterable[str]) -> bool:
    """Import modules; False if that has started threads, which a fork would leave behind."""
    before = threads()
    for name in names:
        with suppress(Exception):  # what cannot be imported here is the script's own affair
            import_module(name)
    return threads() <= before


def threads() -> int:
    """How many threads this process has, those that Python knows nothing of included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return len(sys._current_frames())


def package(name: str) -> str:
    """The outermost package that a module belongs to."""
    return name.partition(".")[0]


def is_installed(module: ModuleType) -> bool:
    """True for a module from a file that a package manager has put there."""
    file = getattr(module, "__file__", None)
    return file is not None and any(os.path.realpath(file).startswith(place + os.sep) for place in INSTALLED)


def holds_torch(module: ModuleType) -> bool:
    """True if torch, or something that torch defines, has a name in this module."""
    values = [*getattr(module, "__dict__", {}).values()]
    names = (getattr(v, "__name__", "") if isinstance(v, ModuleType) else getattr(v, "__module__", "") for v in values)
    return any(isinstance(name, str) and package(name) == "torch" for name in names)
