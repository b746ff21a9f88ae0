"""Find plug-ins: one class to a file, in a folder of ours or behind someone else's entry point."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any, ClassVar, Protocol, TypeVar

from gradmedic.base.errors import PluginError


class Plugin(Protocol):
    """What every rule, remedy, sink and renderer has: the name that users write."""

    name: ClassVar[str]


P = TypeVar("P", bound=Plugin)


@cache
def discover(base: type[P], package: str, group: str) -> dict[str, type[P]]:
    """Every `base` in `package` and the folders below, or behind entry points of `group`, by name."""
    found: dict[str, type[P]] = {}
    for plugin in (*_inside(package), *(entry.load() for entry in entry_points(group=group))):
        if not (isinstance(plugin, type) and issubclass(plugin, base)):
            continue
        if found.setdefault(plugin.name, plugin) is not plugin:
            raise PluginError(f"{group} has two plug-ins named {plugin.name!r}: {found[plugin.name]} and {plugin}")
    return dict(sorted(found.items()))


def _inside(package: str) -> Iterator[Any]:
    for info in iter_modules(import_module(package).__path__, f"{package}."):
        if info.ispkg:
            yield from _inside(info.name)
        module = import_module(info.name)
        yield from (value for value in vars(module).values() if getattr(value, "__module__", None) == info.name)
