"""Scratch folders: gone with their owner, and those of a killed one when the next begins."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gradmedic.trials.scratch import Scratch, remove

KILLED = (
    "import os, signal; from gradmedic.trials.scratch import Scratch; Scratch(); os.kill(os.getpid(), signal.SIGKILL)"
)


def test_what_a_killed_owner_left_is_removed_by_the_next_and_what_is_held_or_foreign_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "gradmedic-notes").mkdir()
    held = Scratch()
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -signal.SIGKILL
    assert len([*tmp_path.iterdir()]) == 3
    new = Scratch()
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "gradmedic-notes", held.folder, new.folder])
    held.remove()
    new.remove()
    assert [*tmp_path.iterdir()] == [tmp_path / "gradmedic-notes"]


def test_folders_without_permissions_are_removed_too_and_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    inner = tmp_path / "scratch" / "work" / "work"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (inner / "link").symlink_to(kept)
    inner.chmod(0)
    inner.parent.chmod(0o500)
    remove(tmp_path / "scratch")
    assert [*tmp_path.iterdir()] == [kept]
    assert [*kept.iterdir()] == [kept / "file"]
