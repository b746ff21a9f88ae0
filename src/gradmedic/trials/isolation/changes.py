"""Tell which files of a folder have changed."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from gradmedic.trials.isolation.folder_copy import entries

Mark = tuple[int, int, int, int]
OURS = (".trials.jsonl",)
"""What gradmedic writes itself while trials run."""
CACHE = "__pycache__"
SHOWN = 3


def marks(folders: Iterable[str]) -> dict[str, Mark]:
    """For each file in some folders, what changes when it is written: caches of Python left out."""
    found: dict[str, Mark] = {}
    for folder in folders:
        for entry in entries(folder):
            if entry.name == CACHE or os.path.basename(os.path.dirname(entry.path)) == CACHE:
                continue
            if entry.name.endswith(OURS) or entry.is_dir(follow_symlinks=False):
                continue
            with suppress(OSError):
                known = entry.stat(follow_symlinks=False)
                found[entry.path] = (known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns)
    return found


def changed(before: dict[str, Mark], after: dict[str, Mark]) -> list[str]:
    """The files that are new, gone or other than they were."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def listed(paths: Sequence[str], folder: str) -> str:
    """The first few of some files, as seen from a folder, and how many more there are."""
    names = [os.path.relpath(path, folder) for path in paths[:SHOWN]]
    more = [f"{len(paths) - SHOWN} more"] if len(paths) > SHOWN else []
    *first, last = [*names, *more]
    return f"{', '.join(first)} and {last}" if first else last
