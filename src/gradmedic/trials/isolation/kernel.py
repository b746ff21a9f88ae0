"""Calls of the Linux kernel that Python has no words for; each raises `OSError` where it is refused."""

import ctypes
import errno
import os
import sys
from functools import cache

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 16384, 1 << 18
MOUNT_ATTR_RDONLY = 1
AT_FDCWD = -100
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
"""The number of a system call younger than 2019 is the same on every processor but the Alpha."""
OPEN_TREE_CLONE, O_CLOEXEC, MOVE_MOUNT_F_EMPTY_PATH = 1, 0o2000000, 4
CAPABILITY_VERSION_3 = 0x20080522


@cache
def libc() -> ctypes.CDLL:
    """The C library; raises `OSError` where the system is not Linux."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "this system is not Linux")
    return ctypes.CDLL(None, use_errno=True)


def call(name: str, *values: object) -> int:
    """Call a function of the C library, and raise `OSError` if it fails."""
    result: int = getattr(libc(), name)(*values)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def system_call(number: int, *values: object) -> int:
    """Call the kernel by number; integers are passed as wide as a register is."""
    return call("syscall", *(ctypes.c_long(v) if isinstance(v, int) else v for v in (number, *values)))


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process."""
    call("prctl", option, *(ctypes.c_ulong(v) for v in (value, 0, 0, 0)))


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount a file system."""
    call("mount", *map(os.fsencode, (source, target, kind)), ctypes.c_ulong(flags), os.fsencode(options))


def mount_of(path: str) -> int:
    """A mount of a folder as it is now, not yet anywhere, as an open file."""
    return system_call(SYS_OPEN_TREE, AT_FDCWD, os.fsencode(path), OPEN_TREE_CLONE | O_CLOEXEC)


def put(mount: int, path: str) -> None:
    """Put such a mount at a path."""
    system_call(SYS_MOVE_MOUNT, mount, b"", AT_FDCWD, os.fsencode(path), MOVE_MOUNT_F_EMPTY_PATH)
    os.close(mount)


def make_read_only(path: str) -> None:
    """Have nobody write to what is mounted at a path; what is mounted further down is not changed."""
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    system_call(SYS_MOUNT_SETATTR, AT_FDCWD, os.fsencode(path), 0, attributes, ctypes.sizeof(attributes))


def own_mounts() -> bool:
    """Give this process mounts of its own, and say whether it was privileged; only while it has one thread."""
    user, group = os.geteuid(), os.getegid()
    try:
        call("unshare", CLONE_NEWNS)
        privileged = True
    except PermissionError:
        call("unshare", CLONE_NEWUSER | CLONE_NEWNS)
        privileged = False
        for file, text in (("uid_map", f"{user} {user} 1"), ("setgroups", "deny"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{file}", "w", encoding="ascii") as out:
                out.write(text)
    mount("", "/", "", MS_REC | MS_PRIVATE)
    return privileged


def drop_capabilities() -> None:
    """Give up what a user namespace grants: a file that may not be written stays so."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())
    prctl(PR_SET_DUMPABLE, 1)
