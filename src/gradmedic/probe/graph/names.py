"""What the user calls the modules and the tensors of a graph."""

import gc
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from inspect import CO_OPTIMIZED
from itertools import chain
from types import FrameType
from typing import Any
from weakref import ref

from torch import Tensor, nn

from gradmedic.probe.hooks.sequence_intervals import user_frame

SCANS = 6
"""Looks at everything that is alive, at some 50 ms each; after these only variables are looked at."""


@dataclass(frozen=True)
class NamedParameter:
    """A parameter with its name, its aliases, the module that owns it, and whether that is registered."""

    tensor: Any  # weak reference
    name: str
    module: Any = None  # weak reference, or None for a raw tensor
    aliases: tuple[str, ...] = ()
    registered: bool = True


@dataclass
class Names:
    """Names of modules and parameters, found by one look at everything that is alive.

    Modules that are nobody's child are roots. Where the script has more than one, the variable's
    name comes first ("G.0.weight"), even if only one of them has been seen at work yet; a root that
    hangs in another module's plain list is called after that ("layers[0].weight"), not registered.
    """

    modules: dict[int, str] = field(default_factory=dict)
    parameters: dict[int, NamedParameter] = field(default_factory=dict)
    roots: list[Any] = field(default_factory=list)
    _labels: dict[int, str] = field(default_factory=dict)
    _strangers: frozenset[int] = frozenset()
    _scans: int = 0

    def of(self, tensor: Tensor) -> NamedParameter | None:
        """The entry of a tensor, unless another one has taken its address."""
        owned = self.parameters.get(id(tensor))
        return owned if owned is not None and owned.tensor() is tensor else None

    def introduce(self, model: nn.Module) -> None:
        """Take the names of a model as it gives them itself."""
        self.roots.append(ref(model))
        self._labels[id(model)] = ""
        self._learn_root(model, "", registered=True)

    def learn(self, leaves: Iterable[Tensor], frame: FrameType | None) -> bool:
        """Find names for those of `leaves` that have none; True if anything was looked for."""
        unknown = [leaf for leaf in leaves if self.of(leaf) is None]
        strangers = frozenset(map(id, unknown))
        if not unknown or strangers == self._strangers:
            return False
        if any(isinstance(leaf, nn.Parameter) for leaf in unknown):
            self._scans += 1
            self._scan(unknown, frame, _alive() if self._scans <= SCANS else _in_sight(frame))
        unnamed = [leaf for leaf in unknown if self.of(leaf) is None]
        self._name_tensors(unnamed, frame)
        self._strangers = frozenset(id(leaf) for leaf in unknown if self.of(leaf) is None)
        return True

    def _scan(self, wanted: list[Tensor], frame: FrameType | None, alive: list[nn.Module]) -> None:
        children = {id(child) for module in alive for child in nn.Module.children(module)}
        ids = {id(tensor) for tensor in wanted}
        known = {id(module): module for module in (root() for root in self.roots) if module is not None}
        heads = [module for module in alive if id(module) not in children]
        roots = list(known.values())
        roots += [m for m in heads if id(m) not in known and any(id(parameter) in ids for parameter in m.parameters())]
        hung = _hung_in_lists(roots, alive)
        labels = {id(root): hung[id(root)] for root in roots if id(root) in hung}
        labels |= _labels([root for root in roots if id(root) not in hung], heads, frame)
        labels |= {key: self._labels[key] for key in known}
        self.roots, self._labels = [ref(root) for root in roots], {id(root): labels.get(id(root), "") for root in roots}
        self.modules.clear()
        for root in roots:
            self._learn_root(root, self._labels[id(root)], registered=id(root) not in hung)

    def _learn_root(self, root: nn.Module, label: str, registered: bool) -> None:
        prefix = f"{label}." if label else ""
        for name, module in root.named_modules():
            self.modules.setdefault(id(module), (prefix + name).rstrip(".") if name else label)
        found: dict[int, list[tuple[str, nn.Module, nn.Parameter]]] = {}
        for path, module in root.named_modules():
            for name, parameter in nn.Module.named_parameters(module, recurse=False, remove_duplicate=False):
                full = f"{prefix}{path}.{name}" if path else f"{prefix}{name}"
                found.setdefault(id(parameter), []).append((full, module, parameter))
        for key, (first, *others) in found.items():
            name, module, parameter = first
            aliases = tuple(other[0] for other in others)
            if key not in self.parameters or self.parameters[key].tensor() is not parameter:
                self.parameters[key] = NamedParameter(ref(parameter), name, ref(module), aliases, registered)

    def _name_tensors(self, tensors: list[Tensor], frame: FrameType | None) -> None:
        wanted = {id(tensor): tensor for tensor in tensors}
        for name, value in variables(frame):
            for label, item in inside(name, value):
                if id(item) in wanted:
                    self.parameters[id(item)] = NamedParameter(ref(item), label)
                    del wanted[id(item)]
            if not wanted:
                return
        for key, tensor in wanted.items():
            self.parameters[key] = NamedParameter(ref(tensor), f"tensor{list(tensor.shape)}")


def _alive() -> list[nn.Module]:
    # By type, because isinstance runs __class__ properties of lazy objects; and by identity of the
    # type, because there are hundreds of thousands of objects.
    kinds = _kinds(nn.Module)
    return [obj for obj in gc.get_objects() if type(obj) in kinds]


def _kinds(kind: type) -> set[type]:
    """A class and all that are derived from it."""
    found, waiting = {kind}, [kind]
    fresh: set[type]
    while waiting:
        fresh = set(type.__subclasses__(waiting.pop())) - found
        found |= fresh
        waiting += fresh
    return found


def _in_sight(frame: FrameType | None) -> list[nn.Module]:
    """The modules in the user's variables, which are found faster than all that are alive."""
    held = (item for name, value in variables(frame) for _, item in _holders(name, value))
    roots = [item for item in held if issubclass(type(item), nn.Module)]
    return list({id(module): module for root in roots for module in root.modules()}.values())


def variables(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """The user's local and global variables, the innermost frame first."""
    frame = user_frame(frame)
    while frame is not None:
        for name, value in chain(_locals(frame), list(frame.f_globals.items())):
            if not name.startswith("__"):
                yield name, value
        frame = user_frame(frame.f_back)


def _locals(frame: FrameType) -> list[tuple[str, Any]]:
    """The variables of a frame, which must not live longer because they were looked at."""
    local = frame.f_locals
    items = list(local.items())
    # Up to Python 3.12 the frame of a function keeps the dictionary that it has given out, and all
    # that is in it, until it returns. The count says that the script has not asked for it too.
    if type(local) is dict and frame.f_code.co_flags & CO_OPTIMIZED and sys.getrefcount(local) <= 3:
        local.clear()
    return items


def inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A variable, and what hangs in it one level down, with their names."""
    if issubclass(type(value), Tensor):
        yield name, value
    elif type(value) in (list, tuple) and len(value) <= 10_000:
        yield from ((f"{name}[{i}]", item) for i, item in enumerate(value))
        for i, item in enumerate(value):
            if type(item) in (list, tuple, dict):
                yield from inside(f"{name}[{i}]", item)
    elif type(value) is dict and len(value) <= 10_000:
        yield from ((f"{name}[{key!r}]", item) for key, item in value.items())
        for key, item in list(value.items()):
            if type(item) in (list, tuple):
                yield from inside(f"{name}[{key!r}]", item)
    elif hasattr(value, "__dict__") and not isinstance(value, (type, nn.Module)) and not callable(value):
        for key, item in list(vars(value).items()):
            if issubclass(type(item), Tensor) or type(item) in (list, tuple, dict):
                yield from inside(f"{name}.{key}", item)


def _labels(roots: list[nn.Module], heads: list[nn.Module], frame: FrameType | None) -> dict[int, str]:
    """The variable that holds each root, or the name of its class; none where there is but one model."""
    trainable = (head for head in heads if any(parameter.requires_grad for parameter in head.parameters()))
    wanted = {id(module): module for module in (*roots, *trainable)}
    labels: dict[int, str] = {}
    if len(wanted) < 2:
        return labels
    for name, value in variables(frame):
        for label, item in _holders(name, value):
            if id(item) in wanted:
                labels.setdefault(id(item), label)
    if len(labels.keys() | {id(root) for root in roots}) < 2:  # the others are out of sight
        return {}
    taken: dict[str, int] = {}
    for root in roots:
        label = labels.setdefault(id(root), type(root).__name__)
        count = taken[label] = taken.get(label, 0) + 1
        if count > 1:
            labels[id(root)] = f"{label}#{count}"
    return labels


def _holders(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if issubclass(type(value), nn.Module):
        yield name, value
    elif type(value) in (list, tuple) and len(value) <= 1000:
        yield from ((f"{name}[{i}]", item) for i, item in enumerate(value))
    elif type(value) is dict and len(value) <= 1000:
        yield from ((f"{name}[{key!r}]", item) for key, item in value.items())
    elif hasattr(value, "__dict__") and (name == "self" or not (callable(value) or isinstance(value, type))):
        yield from ((key, item) for key, item in vars(value).items() if issubclass(type(item), nn.Module))


def _hung_in_lists(roots: list[nn.Module], alive: list[nn.Module]) -> dict[int, str]:
    """Roots that another module keeps in a plain list, tuple or dict, with the name they have there."""
    wanted = {id(root): root for root in roots}
    found: dict[int, str] = {}
    for module in alive:
        for name, value in vars(module).items():
            if name.startswith("_") or type(value) not in (list, tuple, dict):
                continue
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                if item is not None and wanted.get(id(item)) is item and item is not module:
                    found[id(item)] = f"{name}[{key!r}]"
    return found
