"""A prescription becomes a patch that is tried before it is believed: on scripts that really train."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gradmedic.base.errors import LaunchError
from gradmedic.treatment.prescription import Evidence, Item, Prescription
from gradmedic.trials.patch_agreement import Degree
from gradmedic.trials.trial import Script
from gradmedic.verbs.patch import PatchResult, patch, version_of

WARD = Path(__file__).parents[1] / "ward" / "scripts"
SICK = """
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Sigmoid(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
x = torch.randn(64, 8)
for step in range(20):
    optimizer.zero_grad()
    loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
"""
SLOWER = Prescription(
    (Item("learning-rate", {"factor": 0.1}), Item("clip-grad-norm", {"max_norm": 1.0})), script="train.py"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, with a script in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SICK)
    return tmp_path


def tried(name: str, folder: Path, prescription: Prescription, steps: int) -> PatchResult:
    """The patch of a script of the ward, tried over some steps; nothing but the script is left behind."""
    shutil.copy(WARD / name, folder)
    found = patch(prescription, name, steps=steps)
    assert sorted(file.name for file in folder.iterdir()) == sorted({name, "train.py"})
    return found


def test_a_step_that_is_milder_is_the_same_step_by_step(folder: Path) -> None:
    items = (Item("learning-rate", {"factor": 0.01}), Item("clip-grad-norm", {"max_norm": 0.5}))
    found = tried("raw_price_targets_sgd.py", folder, Prescription(items), 25)
    assert found.patch.is_whole
    assert found.agreement is not None
    assert found.agreement.degree is Degree.STEPS


def test_another_activation_with_its_start_ends_where_the_trial_did(folder: Path) -> None:
    dose = {"sites": ["act/sigmoid"], "to": "relu", "weights": ["fc1.weight", "fc2.weight"]}
    swap = Item("swap-activation", dose)
    found = tried(
        "convnet_sigmoid_deep.py", folder, Prescription((swap, Item("normalize", {"sites": ["fc1/linear"]}))), 40
    )
    assert [item.remedy for item in found.patch.written] == ["swap-activation"]
    assert "+        self.act = nn.ReLU()\n" in found.diff
    assert found.code.startswith("# normalize\n")
    assert found.agreement is not None


def test_a_patch_that_does_not_do_it_is_not_believed(folder: Path) -> None:
    """The script reads its own text, and stops at once if it is not what it was."""
    (folder / "train.py").write_text(f"assert 'clip_' + 'grad' not in open(__file__).read()\n{SICK}")
    found = patch(SLOWER, steps=5)
    assert found.patch.written
    assert not found.holds
    assert found.agreement is not None
    assert "AssertionError" in str(found.agreement.sentence)


def test_a_patched_script_that_hangs_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradmedic.verbs.patch.PATIENCE", 0.0)
    hangs = "import time\nif 'clip_' + 'grad' in open(__file__).read(): time.sleep(60)\n"
    (folder / "train.py").write_text(f"{hangs}{SICK}")
    found = patch(SLOWER, steps=5)
    assert found.agreement is not None
    assert found.agreement.degree is Degree.BROKEN
    assert found.agreement.patched == "timed-out"
    assert [file.name for file in folder.iterdir()] == ["train.py"]


def test_nothing_is_run_where_there_is_nothing_to_try(folder: Path) -> None:
    found = patch(Prescription((Item("match-shapes"),)), "train.py", check=False)
    assert (found.patch.written, found.diff, found.holds) == ((), "", False)


def test_the_rate_of_another_version_of_the_script_is_left(folder: Path) -> None:
    version = version_of(Script("train.py", folder=str(folder)))
    treated = replace(SLOWER, evidence=Evidence(1.0, 0.5, 1.5, versions={"script": version}))
    assert patch(treated, check=False).patch.is_whole
    (folder / "train.py").write_text(SICK.replace("lr=0.5", "lr=0.05"))
    assert [left.item.remedy for left in patch(treated, check=False).patch.left] == ["learning-rate"]


def test_applying_keeps_the_old_script_under_the_next_free_name_with_its_mode_and_owner(folder: Path) -> None:
    script = folder / "train.py"
    script.chmod(0o750)
    owner = (4711, 4712) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(script, *owner)
    (folder / "train.py.orig").write_text("somebody's only good version")
    found = patch(SLOWER, check=False)
    assert found.apply().name == "train.py.orig.1"
    assert (folder / "train.py.orig").read_text() == "somebody's only good version"
    assert (folder / "train.py.orig.1").read_text() == SICK
    assert script.read_text() == found.patch.text
    for file in (script, folder / "train.py.orig.1"):
        known = file.stat()
        assert (known.st_mode & 0o7777, known.st_uid, known.st_gid) == (0o750, *owner)
    assert found.apply().name == "train.py.orig.2"


FULL = """
import resource, signal, sys
from gradmedic.treatment.prescription import Prescription
from gradmedic.verbs.patch import patch
from gradmedic.base.errors import LaunchError
found = patch(Prescription.load("p.toml"), "train.py", check=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    found.apply()
except LaunchError as error:
    print(error)
"""


def test_where_the_disk_is_full_the_script_stays_as_it_is_and_the_next_try_is_free(folder: Path) -> None:
    SLOWER.save("p.toml")
    before = sorted(folder.iterdir())
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert done.stdout == f"cannot write {folder / 'train.py'}, which is as it was: File too large\n"
    assert (folder / "train.py").read_text() == SICK
    assert sorted(folder.iterdir()) == before


def test_a_link_to_the_script_stays_a_link(folder: Path) -> None:
    (folder / "train.py").rename(folder / "real.py")
    (folder / "train.py").symlink_to("real.py")
    found = patch(SLOWER, check=False)
    assert found.apply().read_text() == SICK
    assert (folder / "train.py").is_symlink()
    assert (folder / "real.py").read_text() == found.patch.text


@pytest.mark.parametrize("raw", [b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", b"\xef\xbb\xbfx = 'utf-8 with a mark'\n"])
def test_a_script_keeps_its_encoding(raw: bytes, folder: Path) -> None:
    (folder / "train.py").write_bytes(raw + SICK.encode())
    found = patch(SLOWER, check=False)
    found.save("fix.patch")
    found.apply()
    applied = (folder / "train.py").read_bytes()
    assert applied.startswith(raw)
    shutil.copy("train.py.orig", "train.py")
    subprocess.run(["patch", "-p0", "-i", "fix.patch"], check=True, capture_output=True)
    assert (folder / "train.py").read_bytes() == applied


def test_a_script_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(LaunchError, match=r"there is no script nowhere\.py"):
        patch(SLOWER, "nowhere.py", check=False)
    with pytest.raises(LaunchError, match="names no script"):
        patch(replace(SLOWER, script=""), check=False)


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gradmedic", "patch", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_prints_nothing_but_the_diff_on_stdout(folder: Path) -> None:
    Prescription((*SLOWER.items, Item("match-shapes")), script="train.py").save("p.toml")
    done = run("--no-check", "p.toml")
    assert done.returncode == 0
    assert done.stdout == patch(SLOWER, check=False).diff
    assert "match-shapes is left to you" in done.stderr
    assert "output.squeeze(1)" in done.stderr
    assert (folder / "train.py").read_text() == SICK


def test_the_command_applies_and_writes_what_it_is_asked_for(folder: Path) -> None:
    SLOWER.save("p.toml")
    done = run("--steps", "5", "-o", "fix.patch", "--apply", "--lang", "zh", "p.toml", "train.py", "--its-own")
    assert done.returncode == 0, done.stderr
    assert "逐步一致" in done.stderr
    applied = (folder / "train.py").read_text()
    assert "lr=0.05" in applied
    shutil.copy("train.py.orig", "train.py")
    subprocess.run(["git", "apply", "fix.patch"], check=True, capture_output=True)
    assert (folder / "train.py").read_text() == applied


def test_a_module_is_patched_where_it_lies(folder: Path) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "train.py").write_text(f"from package.data import x as _\n{SICK}")
    (folder / "package" / "data.py").write_text("x = 1\n")
    found = patch(SLOWER, "package.train", as_module=True, steps=3)
    assert found.agreement is not None
    assert found.agreement.degree is Degree.STEPS
    assert found.diff.startswith("--- ./package/train.py\n")
