"""Whether the name in a prescription is that of a tensor or a module which is met in a run."""

from collections.abc import Iterable, Sequence
from types import FrameType

from torch import Tensor, nn

from gradmedic.base.name_patterns import glob
from gradmedic.probe.graph.names import Names, inside, variables


def labels_of(tensor: Tensor, names: Names, frame: FrameType | None) -> frozenset[str]:
    """All names that a tensor may have in a recording.

    A model's parameters are named by the model. A raw tensor goes by a variable, and by another one
    in each function that it has come through: recordings use that of the loop.
    """
    owned = names.of(tensor)
    if owned is not None and owned.module is not None:
        return frozenset((owned.name, *owned.aliases))
    found = (pair for name, value in variables(frame) for pair in inside(name, value))
    return frozenset(label for label, item in found if item is tensor)


def owner_of(tensor: Tensor, names: Names) -> nn.Module | None:
    """The module that has a tensor as its parameter."""
    owned = names.of(tensor)
    module: nn.Module | None = owned.module() if owned is not None and owned.module is not None else None
    return module


def fits(wanted: Sequence[str], labels: Iterable[str]) -> bool:
    """True if one of the wanted names, in which `*` stands for anything, is one of the labels."""
    patterns = [glob(name) for name in wanted]
    return any(pattern.fullmatch(label) for label in labels for pattern in patterns)
