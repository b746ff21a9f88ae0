"""Be called when a module has been imported, however and whenever a script imports it.

gradmedic must not import torch before the script does: what a script writes into `os.environ`
first (OMP_NUM_THREADS, CUDA_VISIBLE_DEVICES) is read when torch is loaded.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def after_import(name: str, call: Callable[[], None]) -> None:
    """Call `call` once, as soon as the module `name` is loaded, or at once if it is."""
    if name in sys.modules:
        call()
    else:
        sys.meta_path.insert(0, ImportHook(name, call))


class ImportHook(MetaPathFinder):
    """Waits for one module, then steps aside; the module's own loader does the work."""

    def __init__(self, name: str, call: Callable[[], None]) -> None:
        self.name = name
        self.call = call

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            self.wrap(spec.loader)
        return spec

    def wrap(self, loader: object) -> None:
        """Have `loader` call us once it has run the module."""
        load: Callable[[ModuleType], None] = loader.exec_module  # type: ignore[attr-defined]
        another = vars(loader).get("exec_module")  # of one who waits for the same module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module  # type: ignore[attr-defined]  # a reload or a second look finds nothing of ours
            if another is not None:
                loader.exec_module = another  # type: ignore[attr-defined]
            load(module)
            self.call()

        loader.exec_module = exec_module  # type: ignore[attr-defined]
