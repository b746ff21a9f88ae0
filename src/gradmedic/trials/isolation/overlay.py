"""Show the file system as it is, and keep apart what this process and its children write.

Each folder in which a user may keep files is covered by an overlay: reads go to the files
themselves, a write goes to a copy in a layer of its own. What cannot be covered is made read-only;
devices and other files that stand for no data stay as they are. All of it is in a mount namespace,
so that nobody else sees it and nothing of it outlives the last process in it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from gradmedic.trials.isolation import kernel

NO_DATA = (
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs "
    "proc pstore rpc_pipefs securityfs selinuxfs squashfs sysfs tracefs"
)
"""File systems that hold no user's files, or cannot be written."""
SYSTEM = "bin boot dev etc lib lib32 lib64 libx32 lost+found nix proc run sbin snap sys usr"
"""Folders at the root that hold programs: read-only in a trial, and the libraries in them the same as outside."""
DEVICES, RUNNING = "/dev", "/run"
ESCAPE = re.compile(r"\\(\d{3})")
"""How mountinfo writes a blank, a tab, a line end, a backslash."""


@dataclass(frozen=True)
class Mount:
    """What is mounted at a path."""

    path: str
    kind: str
    is_read_only: bool


def enter(layers: str, shared: str) -> None:
    """Have all that this process writes from now on kept in `layers`, but for what it writes into `shared`.

    Raises `OSError` where the kernel does not allow it; the process is then of no use any more.
    """
    privileged = kernel.own_mounts()
    way_back = kernel.mount_of(shared)
    Overlays(layers, [*mounts()]).cover_all()
    kernel.put(way_back, shared)
    if not privileged:
        kernel.drop_capabilities()


class Overlays:
    """Covers what is mounted; the layers of what is in memory are in memory, too."""

    def __init__(self, layers: str, mounted: list[Mount]) -> None:
        self.layers = layers
        self.mounted = {mount.path: mount for mount in mounted}
        self.count = 0
        self.memory = os.path.join(layers, "memory")

    def cover_all(self) -> None:
        """Cover every file system on which files may be."""
        os.makedirs(self.memory, exist_ok=True)
        kernel.mount("tmpfs", self.memory, "tmpfs", options="mode=700")
        # The layers lie in a folder that is covered itself: they are reached by a way that stays open.
        ways = [os.open(folder, os.O_PATH) for folder in (self.memory, self.layers)]
        self.in_memory, self.on_disk = (f"/proc/self/fd/{way}" for way in ways)
        for mount in self.mounted.values():
            if is_writable_data(mount):
                self.cover(mount.path, mount.kind == "tmpfs")
        for way in ways:
            os.close(way)

    def cover(self, path: str, in_memory: bool) -> None:
        """Cover a folder, or the folders in it where something else is mounted further down."""
        if os.path.isdir(path) and not self.holds_mounts(path):
            with suppress(OSError):
                return self.overlay(path, in_memory)
        else:
            for folder in self.folders(path):
                self.cover(folder, in_memory)
        if path in self.mounted:
            kernel.make_read_only(path)
        return None

    def overlay(self, path: str, in_memory: bool) -> None:
        """Mount an overlay over a folder; its layer is in memory where a disk does not allow it."""
        for layers in [self.in_memory] if in_memory else [self.on_disk, self.in_memory]:
            self.count += 1
            upper, work = (f"{layers}/{self.count:03}-{name}" for name in ("written", "work"))
            os.mkdir(upper)
            os.mkdir(work)
            copy_mode(path, upper)
            options = f"lowerdir={escaped(path)},upperdir={upper},workdir={work},userxattr"
            try:
                return kernel.mount("overlay", path, "overlay", options=options)
            except OSError as error:
                refused = error
        raise refused

    def holds_mounts(self, path: str) -> bool:
        """True where something is mounted below a folder: an overlay would hide it."""
        return any(other != path and os.path.commonpath([other, path]) == path for other in self.mounted)

    def folders(self, path: str) -> Iterator[str]:
        """The folders in a folder that are part of the same file system."""
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False) or entry.path in self.mounted:
                    continue
                if path != "/" or entry.name not in SYSTEM.split():
                    yield entry.path


def mounts() -> Iterator[Mount]:
    """What is mounted where; of several on one path the last comes last."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            own, _, shared = line.partition(" - ")
            path, options = own.split()[4:6]
            kind, _, whole = (*shared.split(), "", "")[:3]
            read_only = "ro" in options.split(",") or "ro" in whole.split(",")
            yield Mount(ESCAPE.sub(lambda found: chr(int(found[1], 8)), path), kind, read_only)


def is_writable_data(mount: Mount) -> bool:
    """True for a file system that may hold a user's files and lets them be changed."""
    if mount.is_read_only or mount.kind in NO_DATA.split():
        return False
    below = mount.path.split("/")[1]
    return f"/{below}" != RUNNING and (f"/{below}" != DEVICES or mount.path == "/dev/shm")


def copy_mode(source: str, target: str) -> None:
    """Give a layer the mode and, where that is allowed, the owner of the folder that it covers."""
    known = os.stat(source)
    mode = known.st_mode & 0o7777
    try:
        os.chown(target, known.st_uid, known.st_gid)
    except OSError:  # it stays ours: what we may not write there we may not write here
        mode &= 0o7777 if os.access(source, os.W_OK) else 0o5555
    os.chmod(target, mode)


def escaped(path: str) -> str:
    """A path as an option of a mount: without the signs that have a meaning there."""
    return "".join(f"\\{sign}" if sign in "\\,:" else sign for sign in path)
