"""Shift every seed that a script sets, from outside; Python runs this file first when its folder is on PYTHONPATH."""

import os
import random
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

SHIFT = int(os.environ.get("WARD_SEED_SHIFT", "0"))
SEEDERS = {"torch": "manual_seed", "numpy.random": "seed"}


def shifted(seed: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which adds the shift to the seed that it is given."""
    return lambda value=None, *rest: seed(value if value is None else int(value) + SHIFT, *rest)


class ShiftSeeds(MetaPathFinder):
    """Lets torch and numpy load as ever, then wraps the functions that seed them."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Take over the loading of the two modules; leave all others alone."""
        if fullname not in SEEDERS:
            return None
        sys.meta_path.remove(self)
        try:
            spec = find_spec(fullname)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            self._wrap(spec.loader, SEEDERS[fullname])
        return spec

    def _wrap(self, loader: Loader, name: str) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            setattr(module, name, shifted(getattr(module, name)))

        loader.exec_module = exec_module  # type: ignore[method-assign]


if SHIFT:
    random.seed = shifted(random.seed)
    sys.meta_path.insert(0, ShiftSeeds())
