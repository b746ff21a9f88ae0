"""Keep modules apart that bear one name: a script's own `click.py`, and the click that gradmedic uses.

Each side finds its own: the script what stands first on its `sys.path`, as under Python, and
gradmedic what was there when it was started.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from pkgutil import iter_modules
from types import ModuleType

from gradmedic import __started_with__

NEEDED = sys.stdlib_module_names | {"click", "rich", "pygments", "markdown_it", "mdurl"}
"""Names that our own modules import, or those which they import, beside torch and what it needs."""


class Shadows:
    """Modules of which there are two; those of the other side stand aside."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self._ours: dict[str, ModuleType] = {}

    def part(self, folder: str) -> None:
        """Take what we have loaded out of the way of modules in the script's folder, before the script begins."""
        self._ours = taken(names_in([folder]) - __started_with__)

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Import our own modules and not the script's, whatever the script does to warnings."""
        foreign = [place for place in sys.path if place not in self._path]
        double = (names_in(foreign) & NEEDED) - __started_with__
        names = {name for name in double if name not in sys.modules or stands_in(sys.modules[name], foreign)}
        theirs, path = taken(names), sys.path
        sys.modules.update((name, module) for name, module in self._ours.items() if top(name) in names)
        sys.path = list(self._path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            sys.path = path
            self._ours |= taken(names)
            sys.modules.update(theirs)


def names_in(folders: Iterable[str]) -> frozenset[str]:
    """The modules and packages that stand in some folders."""
    return frozenset(found.name for found in iter_modules(list(folders)))


def stands_in(module: ModuleType, folders: Iterable[str]) -> bool:
    """Whether a module was loaded from one of some folders."""
    file = os.path.abspath(getattr(module, "__file__", None) or "")
    return any(file.startswith(os.path.join(os.path.abspath(folder), "")) for folder in folders)


def taken(names: Set[str]) -> dict[str, ModuleType]:
    """Take modules with all that is in them out of `sys.modules`."""
    return {name: sys.modules.pop(name) for name in [*sys.modules] if top(name) in names}


def top(name: str) -> str:
    """The outermost package that a module belongs to."""
    return name.partition(".")[0]
