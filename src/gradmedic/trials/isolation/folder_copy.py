"""Copy a user's folder for a trial; where the file system can, a copy shares its blocks until one is written."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress

MOST_BYTES, MOST_FILES = 1 << 30, 20_000
"""What is copied in a second or two; a larger folder is not copied for each trial."""
FICLONE = 0x40049409
"""The request to give a file the blocks of another one: btrfs, XFS, bcachefs."""


def is_within(path: str, folder: str) -> bool:
    """True for a folder and what is in it."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([path, folder]) == folder


def entries(folder: str, follow_links: bool = False) -> Iterator["os.DirEntry[str]"]:
    """All that is in a folder, the environment of this Python left out: a folder before what is in it."""
    ahead, seen = [folder], {os.path.realpath(folder)}
    while ahead:
        with suppress(PermissionError, FileNotFoundError), os.scandir(ahead.pop()) as found:
            for entry in found:
                if is_environment(entry):
                    continue
                yield entry
                if entry.is_dir(follow_symlinks=follow_links):
                    whole = os.path.realpath(entry.path)
                    if whole not in seen:
                        seen.add(whole)
                        ahead.append(entry.path)


def is_environment(entry: "os.DirEntry[str]") -> bool:
    """True for the environment that this Python runs in: its packages are found by their own paths."""
    return entry.name == os.path.basename(sys.prefix) and os.path.realpath(entry.path) == os.path.realpath(sys.prefix)


def is_small(folder: str, follow_links: bool = False) -> bool:
    """True for a folder that may be copied for each trial."""
    size = 0
    for number, entry in enumerate(entries(folder, follow_links)):
        with suppress(OSError):
            size += entry.stat(follow_symlinks=follow_links).st_size
        if number >= MOST_FILES or size > MOST_BYTES:
            return False
    return True


def make(folder: str, copy: str, *, keep_links: bool) -> None:
    """Copy a folder; a link out of it becomes a copy of what it leads to, unless links may be kept."""
    os.mkdir(copy)
    shutil.copystat(folder, copy)
    os.chmod(copy, os.stat(copy).st_mode | stat.S_IRWXU)
    times = [(folder, copy)]
    for entry in entries(folder, follow_links=not keep_links):
        target = os.path.join(copy, os.path.relpath(entry.path, folder))
        if entry.is_symlink() and (keep_links or is_within(entry.path, folder)):
            _copy_link(entry.path, target, folder, copy)
        elif entry.is_dir():
            os.makedirs(target, exist_ok=True)
            times.append((entry.path, target))
        elif entry.is_file():
            copy_file(entry.path, target)
    for source, target in times:
        with suppress(OSError):
            os.utime(target, ns=(os.stat(source).st_atime_ns, os.stat(source).st_mtime_ns))


def _copy_link(source: str, target: str, folder: str, copy: str) -> None:
    """A link within the folder leads to the same place within the copy."""
    whole = os.path.join(os.path.dirname(source), os.readlink(source))
    if is_within(whole, folder):
        inside = os.path.relpath(os.path.realpath(whole), os.path.realpath(folder))
        os.symlink(os.path.relpath(os.path.join(copy, inside), os.path.dirname(target)), target)
    else:
        os.symlink(whole, target)


def copy_file(source: str, target: str) -> None:
    """Copy a file with its mode and times, by sharing its blocks where that can be had."""
    try:
        with open(source, "rb") as old, open(target, "wb") as new:
            if not cloned(new.fileno(), old.fileno()):
                shutil.copyfileobj(old, new, 1 << 20)
        shutil.copystat(source, target)
    except PermissionError:  # what the script could not read either
        return


def cloned(new: int, old: int) -> bool:
    """True if a file has been given the blocks of another one."""
    if sys.platform != "linux":
        return False
    import fcntl

    with suppress(OSError):
        fcntl.ioctl(new, FICLONE, old)
        return True
    return False


def redirect(folder: str, copy: str) -> None:
    """Have modules and children look into the copy where they would look into the folder."""

    def inside(path: str) -> str:
        return os.path.join(copy, os.path.relpath(path, folder)) if path and is_within(path, folder) else path

    prefix = os.path.realpath(sys.prefix)
    sys.path[:] = [path if is_within(path, prefix) else inside(path) for path in sys.path]
    if "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = os.pathsep.join(map(inside, os.environ["PYTHONPATH"].split(os.pathsep)))
    os.environ["PWD"] = copy
