"""A scratch folder that is gone when its owner is, at the latest when the next one begins.

Whoever owns it holds a lock on a file in it, and so do its children: where nobody does, it was left
behind when its owner was killed.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PREFIX, UNLOCKED = "gradmedic-", "gradmedic+"
LOCK = "lock"


class Scratch:
    """A new scratch folder; those that were left behind are removed."""

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        remove_left_behind(parent)
        new = Path(tempfile.mkdtemp(prefix=UNLOCKED))
        self.file = os.open(new / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        lock(self.file)
        # Others see it under this name only once it is locked.
        self.folder = new.rename(parent / f"{PREFIX}{new.name.removeprefix(UNLOCKED)}")

    def remove(self) -> None:
        """Remove the folder."""
        remove(self.folder)
        os.close(self.file)


def remove_left_behind(parent: Path) -> None:
    """Remove our scratch folders that nobody owns any more."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or not (folder / LOCK).is_file() or folder.stat().st_uid != os.getuid():
                continue
            file = os.open(folder / LOCK, os.O_RDWR)
            try:
                if lock(file):
                    remove(folder)
            finally:
                os.close(file)


def lock(file: int) -> bool:
    """Lock a file, unless somebody else has."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def remove(folder: str | os.PathLike[str]) -> None:
    """Remove a folder with all that is in it, folders without permissions included."""
    if not os.path.lexists(folder):
        return

    def again(function: Callable[..., Any], path: str, _: object) -> None:
        with suppress(OSError):
            for place in (os.path.dirname(path), path):
                if not os.path.islink(place) and stat.S_ISDIR(os.lstat(place).st_mode):
                    os.chmod(place, stat.S_IRWXU)
            (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)

    shutil.rmtree(folder, onerror=again)
