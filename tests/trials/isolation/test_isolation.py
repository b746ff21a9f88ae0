"""A trial's files stay its own: by each way in which a script may write, and each in which that is prevented."""

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.writing_scripts import RESUME, RESUMES, TRAIN, WAYS

from gradmedic.base.errors import LaunchError
from gradmedic.trials.isolation import Isolation, landlock
from gradmedic.trials.runners.local import Local
from gradmedic.trials.runners.watch import FolderWatch
from gradmedic.trials.trial import RunEnd, Script, Trial

linux = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with files that may be written, links, and a module."""
    folder = tmp_path / "project"
    (folder / "runs" / "old").mkdir(parents=True)
    (folder / "runs" / "old" / "note.txt").write_text("kept")
    torch.save({}, folder / "model.pt")
    (folder / "train.log").write_text("0\n")
    (folder / "memory.bin").write_bytes(bytes(64))
    (folder / "helper.py").write_text("")
    (tmp_path / "elsewhere.txt").write_text("the user's")
    (folder / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    (folder / "hard.txt").hardlink_to(folder / "train.log")
    with sqlite3.connect(folder / "runs.db") as base:
        base.execute("create table runs (id integer)")
    base.close()
    return folder


def bits(folder: Path) -> dict[str, object]:
    """All that is in a folder and beside it, bit for bit: names, kinds, modes, times, contents."""
    found: dict[str, object] = {}
    for path in sorted(folder.parent.rglob("*")):
        known = path.lstat()
        whole = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(known.st_mode) else ""
        link = os.readlink(path) if path.is_symlink() else ""
        found[str(path)] = (known.st_ino, known.st_mode, known.st_mtime_ns, known.st_ctime_ns, whole, link)
    return found


def script(folder: Path, write: str, resume: str = "", resumed: str = "0") -> None:
    (folder / "train.py").write_text(TRAIN.format(write=write, resume=resume, resumed=resumed))


@pytest.fixture(scope="module")
def runner() -> Iterator[Local]:
    """One runner for all scripts and ways: its server takes seconds to start."""
    with Local(Script("train.py", folder="/tmp", in_place=True), jobs=1) as runner:
        yield runner


def kept(runner: Local, folder: Path, *allowed: Isolation, target: str = "train.py") -> Local:
    """The runner for the script of a folder, which it may keep from its files in some ways."""
    runner.script = Script(target, folder=str(folder))
    runner.allowed = allowed
    runner.isolation = runner._found()
    runner.watch = FolderWatch(runner.script, runner.isolation)
    return runner


@pytest.fixture
def overlay(folder: Path, runner: Local) -> Local:
    """The runner with overlays, where they can be had."""
    if kept(runner, folder, Isolation.OVERLAY).isolation is not Isolation.OVERLAY:
        pytest.skip("this machine has no mount namespaces with overlays")
    return runner


@pytest.mark.parametrize("way", sorted(WAYS))
def test_the_folder_is_bit_for_bit_what_it_was_and_the_script_has_not_noticed(
    way: str, folder: Path, overlay: Local
) -> None:
    script(folder, WAYS[way])
    before = bits(folder)
    [found] = overlay.run([Trial()])
    assert (found.ended, found.error) == (RunEnd.FINISHED, "")
    assert bits(folder) == before


def test_each_trial_starts_from_the_users_files_and_not_from_what_another_wrote(folder: Path, overlay: Local) -> None:
    script(folder, RESUMES, RESUME)
    first, second = overlay.run([Trial(), Trial()])
    assert (first.ended, second.ended, first.error + second.error) == (RunEnd.FINISHED, RunEnd.FINISHED, "")
    assert first.series == second.series


def test_a_trial_reads_what_it_has_written(folder: Path, overlay: Local) -> None:
    script(folder, "open('train.log', 'a').write('1'); assert (HERE / 'train.log').read_text() == '0\\n1'")
    [found] = overlay.run([Trial()])
    assert (found.ended, found.error) == (RunEnd.FINISHED, "")


def test_files_outside_of_the_folder_are_kept_as_well(folder: Path, overlay: Local) -> None:
    script(folder, "(HERE.parent / 'elsewhere.txt').write_text('x'); (HERE.parent / 'new').mkdir()")
    before = bits(folder)
    [found] = overlay.run([Trial()])
    assert (found.ended, bits(folder)) == (RunEnd.FINISHED, before)


def test_a_read_only_file_stays_one(folder: Path, overlay: Local) -> None:
    """Nor does the script gain rights by which it could write what it may not."""
    (folder / "model.pt").chmod(0o400)
    refused = "try: open('model.pt', 'a')\nexcept PermissionError: pass\nelse: assert os.geteuid() == 0"
    script(folder, refused)
    [found] = overlay.run([Trial()])
    assert (found.ended, found.error) == (RunEnd.FINISHED, "")


def run(runner: Local, folder: Path, *allowed: Isolation, target: str = "train.py") -> tuple[Isolation, RunEnd, str]:
    """How a trial was kept apart, and how it ended."""
    [found] = kept(runner, folder, *allowed, target=target).run([Trial()])
    return runner.isolation, found.ended, found.error


@linux
@pytest.mark.parametrize("way", ["checkpoint", "link", "module", "absolute"])
def test_in_a_copy_that_is_locked_nothing_of_the_users_is_written(way: str, folder: Path, runner: Local) -> None:
    (folder / "link.txt").unlink()  # a link out of the folder may not be written through
    (folder / "link.txt").symlink_to("train.log")
    script(folder, WAYS[way])
    before = bits(folder)
    found = run(runner, folder, Isolation.LOCKED_COPY, target=str(folder / "train.py"))
    assert found == (Isolation.LOCKED_COPY, RunEnd.FINISHED, "")
    assert bits(folder) == before


@linux
def test_a_path_that_leads_out_of_the_copy_is_refused_in_one_sentence(folder: Path, runner: Local) -> None:
    script(folder, f"open({str(folder / 'model.pt')!r}, 'w')")
    before = bits(folder)
    with pytest.raises(LaunchError, match=r"PermissionError.*only into a copy of it\. --in-place"):
        run(runner, folder, Isolation.LOCKED_COPY)
    assert bits(folder) == before


@linux
def test_a_script_that_may_write_nowhere_is_refused_in_one_sentence_if_it_does(folder: Path, runner: Local) -> None:
    script(folder, WAYS["checkpoint"])
    before = bits(folder)
    with pytest.raises(LaunchError, match=r"only into temporary folders\. --in-place lets every trial write there"):
        run(runner, folder, Isolation.LOCK)
    assert bits(folder) == before


@linux
def test_a_script_that_may_write_nowhere_runs_if_it_does_not(folder: Path, runner: Local) -> None:
    script(folder, "import tempfile; tempfile.TemporaryFile().write(b'x')")
    assert run(runner, folder, Isolation.LOCK) == (Isolation.LOCK, RunEnd.FINISHED, "")


def test_in_a_copy_a_link_out_of_the_folder_is_a_copy_too(folder: Path, runner: Local) -> None:
    script(folder, WAYS["link"] + "; assert os.listdir() == os.listdir(HERE)")
    before = bits(folder)
    assert run(runner, folder, Isolation.COPY) == (Isolation.COPY, RunEnd.FINISHED, "")
    assert bits(folder) == before


def test_what_is_written_out_of_a_copy_is_named_and_nothing_more_is_run(folder: Path, runner: Local) -> None:
    script(folder, f"open({str(folder / 'model.pt')!r}, 'w')")
    with pytest.raises(LaunchError, match=r"while the first trial ran, model\.pt changed in .*project.*--in-place"):
        run(runner, folder, Isolation.COPY)


def test_where_nothing_can_be_had_the_files_are_named_and_nothing_more_is_run(folder: Path, runner: Local) -> None:
    script(folder, "\n".join(f"open('{name}.txt', 'w')" for name in "abcde"))
    with pytest.raises(LaunchError, match=r"trial ran, a\.txt, b\.txt, c\.txt and 2 more changed in .*--in-place"):
        run(runner, folder)


def test_where_nothing_can_be_had_a_script_that_writes_nothing_is_treated(folder: Path, runner: Local) -> None:
    script(folder, "import helper")
    assert run(runner, folder) == (Isolation.NONE, RunEnd.FINISHED, "")


def test_in_place_each_trial_writes_into_the_folder(folder: Path, runner: Local) -> None:
    script(folder, WAYS["log"])
    kept(runner, folder).watch = None
    assert [one.ended for one in runner.run([Trial(), Trial()])] == [RunEnd.FINISHED] * 2
    assert (folder / "train.log").read_text().count("\n") == 3


def test_the_best_way_that_is_allowed_is_taken(folder: Path, runner: Local) -> None:
    for first, best in enumerate(isolations := list(Isolation)):
        found = kept(runner, folder, *isolations[first:]).isolation
        assert isolations.index(found) >= first
        assert found is best or not landlock.version()
