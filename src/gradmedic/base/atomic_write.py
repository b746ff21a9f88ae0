"""Write a file whole or not at all: a reader sees the old text or the new one, also when the disk is full."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from gradmedic.base.errors import LaunchError


def write(file: Path, data: bytes, durable: bool = True) -> None:
    """Put data in the place of a file, with its mode and owner; raises `OSError`, and the file is as it was.

    It is on the disk before it takes that place, unless it need not be `durable`: in the hands of the system it
    outlives this process, and nobody waits for the disk.
    """
    place = Path(os.path.realpath(file))  # a link goes on leading to the file
    if place.exists() and not place.is_file():  # a device or a pipe, such as /dev/stdout, is never replaced
        place.write_bytes(data)
        return
    known = place.exists()
    beside = place.with_name(f".{place.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        # A new file gets the mode of any new one; what stands for an old one is nobody's to read before it is done.
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if known else 0o666), "wb") as out:
            out.write(data)
            out.flush()
            if durable:
                os.fsync(out.fileno())
        if known:
            imitate(place, beside)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    if durable:
        sync(place.parent)


def write_all(texts: Iterable[tuple[str, str]]) -> None:
    """Write every text to its file; one that cannot be written leaves the others alone, and is told at the end.

    Raises `LaunchError` that names all that failed.
    """
    failed = []
    for file, text in texts:
        try:
            write(Path(file), text.encode())
        except OSError as error:
            failed.append(f"{file} ({error.strerror or error})")
    if failed:
        raise LaunchError(f"cannot write {', '.join(failed)}")


def imitate(known: Path, new: Path) -> None:
    """Give a new file the owner, mode and attributes of a known one."""
    had = known.stat()
    with suppress(OSError):  # only root may give a file away
        os.chown(new, had.st_uid, had.st_gid)
    shutil.copystat(known, new)
    os.utime(new)


def sync(folder: Path) -> None:
    """Have the names in a folder on disk, where the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def keep(file: Path) -> Path:
    """Keep a file under the first free of the names FILE.orig, FILE.orig.1, ...; raises `OSError`.

    It is the file itself under a second name where the file system has such, and a copy elsewhere.
    """
    for name in names(file):
        with suppress(FileExistsError):
            try:
                os.link(os.path.realpath(file), name)
            except FileExistsError:
                raise
            except OSError:
                copy(file, name)
            return name
    raise AssertionError


def names(file: Path) -> Iterator[Path]:
    """The names under which a file may be kept."""
    yield file.with_name(f"{file.name}.orig")
    yield from (file.with_name(f"{file.name}.orig.{number}") for number in count(1))


def copy(file: Path, name: Path) -> None:
    """Copy a file to a name that is free, whole or not at all."""
    with open(name, "xb"):
        pass
    try:
        imitate(file, name)
        write(name, file.read_bytes())
    except BaseException:
        name.unlink()
        raise
