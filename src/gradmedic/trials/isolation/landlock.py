"""Forbid this process and its children to write anywhere but in a few folders, by Landlock (Linux 5.13 and later)."""

import ctypes
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress

from gradmedic.trials.isolation import kernel
from gradmedic.trials.isolation.folder_copy import is_within

SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
VERSION_WANTED, PATH_BENEATH = 1, 1
WRITE_FILE = 1 << 1
WRITES = 0b1_1111_1111 << 4 | WRITE_FILE
"""To write a file, to remove one or a folder, and to make one of any kind."""
REFER, TRUNCATE = 1 << 13, 1 << 14
"""To move a file into another folder (Landlock 2), and to cut it off (Landlock 3)."""
NO_USERS_FILES = ("/dev", "/proc", "/sys", "/run")


class _Ruleset(ctypes.Structure):
    _fields_ = [("handled_access_fs", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def version() -> int:
    """Which Landlock the kernel has; 0 where there is none, or it is switched off."""
    try:
        return kernel.system_call(SYS_CREATE_RULESET, None, 0, VERSION_WANTED)
    except OSError:
        return 0


def enter(folders: Iterable[str]) -> None:
    """Forbid all writing but in these folders, for good; raises `OSError` where there is no Landlock."""
    known = version()
    handled = WRITES | (REFER if known >= 2 else 0) | (TRUNCATE if known >= 3 else 0)
    ruleset = _Ruleset(handled)
    rules = kernel.system_call(SYS_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    for folder in folders:
        with suppress(FileNotFoundError):
            _allow(rules, folder, handled)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.system_call(SYS_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules: int, folder: str, handled: int) -> None:
    place = os.open(folder, os.O_PATH)
    try:
        rule = _PathBeneath(handled, place)
        kernel.system_call(SYS_ADD_RULE, rules, PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)


def shared_folders(protected: Iterable[str], temporary: str) -> list[str]:
    """Where every program may write: devices, temporary files, caches; none that holds a protected folder.

    Where that leaves no place for temporary files, they go to `temporary`.
    """
    home = os.path.expanduser("~")
    caches = [os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", f"{home}/.triton", f"{home}/.nv"]
    shared = [*NO_USERS_FILES, tempfile.gettempdir(), *caches]
    safe = [folder for folder in shared if not any(is_within(one, folder) for one in protected)]
    if tempfile.gettempdir() not in safe:
        os.environ["TMPDIR"] = tempfile.tempdir = temporary
    return safe
