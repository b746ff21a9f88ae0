"""Optimizers by name: those of torch.optim, and those that a script imports; looked up, and never evaluated."""

import sys
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

from torch import optim
from torch.optim import LBFGS, Optimizer, SparseAdam

from gradmedic.base.errors import RemedyError
from gradmedic.base.settings import nearest

TORCH: Mapping[str, type[Optimizer]] = {
    name: kind
    for name, kind in vars(optim).items()
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind not in (Optimizer, LBFGS, SparseAdam)
}
"""Those that take over from any other: they need neither a closure nor gradients of a kind of their own."""


def check_name(name: str) -> None:
    """Complain about what is no name of an optimizer: it becomes code."""
    if name in TORCH or ("." in name and all(map(_is_plain, name.split(".")))):
        return
    raise RemedyError(
        f"there is no optimizer {name!r} in torch.optim{nearest(name, TORCH)} (one that the script imports "
        "is written with its module: lion_pytorch.Lion)"
    )


def optimizer_named(name: str) -> type[Optimizer]:
    """The class behind a name, as the modules hold it that this process has imported."""
    if name in TORCH:
        return TORCH[name]
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:length]))
        if module is not None:
            found = _inside(module, parts[length:])
            if isinstance(found, type) and issubclass(found, Optimizer) and found not in (Optimizer, LBFGS):
                return found
    raise RemedyError(f"the script imports no optimizer {name!r}")


def _is_plain(part: str) -> bool:
    return part.isascii() and part.isidentifier() and not iskeyword(part) and not part.startswith("__")


def _inside(held: Any, parts: list[str]) -> Any:
    """What stands there already: a module that makes a thing when it is asked for it is not asked."""
    for part in parts:
        held = vars(held).get(part) if hasattr(held, "__dict__") else None
    return held
