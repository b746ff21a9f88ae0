"""Keep a user's files from what a trial writes.

A trial reads the user's files, and what it writes is kept apart and thrown away. There are several
ways to have that; the first that this machine allows is taken, and what it cannot do is found by
looking at the folder before and after.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from gradmedic.trials.isolation import folder_copy, landlock, overlay


class Isolation(StrEnum):
    """How trials are kept from a user's files, the best way first."""

    OVERLAY = "overlay"
    """The kernel shows the whole file system, and keeps what is written in a layer of its own."""
    LOCKED_COPY = "locked-copy"
    """The script works in a copy of its folder; the kernel refuses what it writes elsewhere."""
    LOCK = "lock"
    """The folder is too large to be copied; the kernel refuses whatever is written there."""
    COPY = "copy"
    """The script works in a copy of its folder, and may still write by an absolute path."""
    NONE = "none"
    """Nothing keeps a trial from writing into the folder."""

    @property
    def copies(self) -> bool:
        """True where the script works in a copy."""
        return self in (Isolation.COPY, Isolation.LOCKED_COPY)

    @property
    def locks(self) -> bool:
        """True where the kernel refuses what is written elsewhere."""
        return self in (Isolation.LOCK, Isolation.LOCKED_COPY)

    @property
    def is_sure(self) -> bool:
        """True where no file of the user's can be written."""
        return self is Isolation.OVERLAY or self.locks


@dataclass(frozen=True)
class Workspace:
    """Where a trial is run: what is started, in which folder, and the folders for what it writes.

    `output` is what is read of the trial when it has ended, `layers` is thrown away.
    """

    target: str
    folder: str
    output: str
    layers: str
    as_module: bool = False

    def moved(self, copy: str) -> "Workspace":
        """The same in a copy of the folder; a script from elsewhere stays where it is."""
        if self.as_module:
            return replace(self, folder=copy)
        whole = os.path.normpath(os.path.join(self.folder, self.target))
        if not folder_copy.is_within(whole, self.folder):
            return replace(self, folder=copy, target=whole)
        return replace(self, folder=copy, target=within(self.target, self.folder, copy))


def enter(isolation: Isolation, place: Workspace) -> Workspace:
    """Keep this process and its children from the user's files from now on; where it is to work.

    Raises `OSError` where that is not possible after all.
    """
    os.makedirs(place.layers, exist_ok=True)
    if isolation is Isolation.OVERLAY:
        overlay.enter(place.layers, place.output)
    if isolation.copies:
        copy = os.path.join(place.layers, os.path.basename(place.folder) or "folder")
        folder_copy.make(place.folder, copy, keep_links=isolation.locks)
        folder_copy.redirect(place.folder, copy)
        moved = place.moved(copy)
    else:
        moved = place
    if isolation.locks:
        temporary = os.path.join(place.layers, "temporary")
        os.makedirs(temporary)
        landlock.enter([place.output, place.layers, *landlock.shared_folders([place.folder], temporary)])
    return moved


def found(place: Workspace, allowed: Iterable[str], tried: Callable[[Callable[[], object]], bool]) -> Isolation:
    """The first way among those allowed that works here; `tried` calls a function in a process of its own."""
    locks, small = landlock.version() > 0, folder_copy.is_small(place.folder)
    works: dict[Isolation, Callable[[], bool]] = {
        Isolation.OVERLAY: lambda: tried(lambda: _covers(place)),
        Isolation.LOCKED_COPY: lambda: locks and small,
        Isolation.LOCK: lambda: locks,
        Isolation.COPY: lambda: small and folder_copy.is_small(place.folder, follow_links=True),
    }
    return next((way for way, does in works.items() if way in allowed and does()), Isolation.NONE)


def _covers(place: Workspace) -> None:
    """Raise `OSError` unless the user's folder can be covered by an overlay."""
    before = os.stat(place.folder).st_dev
    enter(Isolation.OVERLAY, place)
    if os.stat(place.folder).st_dev == before:
        raise OSError(f"{place.folder} is not covered")


def within(path: str, folder: str, copy: str) -> str:
    """A path into a folder as a path into its copy; any other as it is."""
    if os.path.isabs(path) and folder_copy.is_within(path, folder):
        return os.path.normpath(os.path.join(copy, os.path.relpath(path, folder)))
    return path
