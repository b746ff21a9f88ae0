"""The user's folder before and after whole commands, on a script that writes by every way at once."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gradmedic.trials.isolation import landlock

EVERYTHING = """
import os, pathlib, sqlite3, subprocess, numpy, torch
HERE = pathlib.Path(__file__).absolute().parent
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
if os.path.exists("model.pt"):
    model.load_state_dict(torch.load("model.pt"))
optimizer = torch.optim.SGD(model.parameters(), lr=60.0)
x = torch.randn(64, 8)
y = (x[:, 0] > 0).long()
for step in range(60):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), HERE / "model.pt")
open("train.log", "a").write(f"{loss.item()}\\n")
base = sqlite3.connect(HERE / "runs.db")
base.execute("create table if not exists runs (loss real)")
base.execute("insert into runs values (?)", (loss.item(),))
base.commit()
base.close()
held = numpy.memmap("memory.bin", mode="w+", shape=64)
held[:] = 7
held.flush()
subprocess.run(["sh", "-c", "echo child >> train.log; touch made"], check=True)
"""
PRESCRIPTION = '[[remedy]]\nname = "learning-rate"\nfactor = 0.01\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(EVERYTHING)
    (folder / "train.log").write_text("0\n")
    return folder


def bits(folder: Path) -> dict[str, object]:
    """All that is in a folder, bit for bit: names, kinds, modes, times, contents."""
    found: dict[str, object] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        known = path.lstat()
        whole = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(known.st_mode) else ""
        found[str(path)] = (known.st_ino, known.st_mode, known.st_mtime_ns, known.st_ctime_ns, whole)
    return found


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """A command of ours in the user's folder."""
    surroundings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    line = [sys.executable, "-m", "gradmedic", *words]
    return subprocess.run(line, cwd=folder, env=surroundings, capture_output=True, text=True)


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
@pytest.mark.parametrize("has_run", [False, True], ids=["new", "resumes"])
def test_treat_compare_and_patch_leave_it_bit_for_bit(folder: Path, tmp_path: Path, has_run: bool) -> None:
    if has_run:  # what the script resumes from is the user's, and stays so
        subprocess.run([sys.executable, "train.py"], cwd=folder, check=True)
    (tmp_path / "given.toml").write_text(PRESCRIPTION)
    before = bits(folder)
    treat = ("treat", "--force", "--trials", "4", "--seeds", "2", "-o", str(tmp_path / "found.toml"), "train.py")
    compare = ("compare", "--activations", "relu,tanh", "--steps", "20", "--seeds", "2", "train.py")
    for words in (treat, compare, ("patch", str(tmp_path / "given.toml"), "train.py")):
        done = command(folder, *words)
        assert done.returncode == 0, done.stderr
        assert bits(folder) == before, words[0]
