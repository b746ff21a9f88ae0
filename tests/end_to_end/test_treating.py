"""`gradmedic treat` on a whole script: from symptom to prescription, and what Ctrl-C leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradmedic.treatment.prescription import Prescription

TREAT = [sys.executable, "-m", "gradmedic", "treat", "--minutes", "10", "--seeds", "2"]
WRITTEN = {"train.py", "prescription.toml", "prescription.trials.jsonl"}
SICK = """
import os, sys, torch
torch.set_num_threads(1)
torch.manual_seed(0)
with open("pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
x = torch.randn(512, 8)
y = (x[:, 0] * x[:, 1] > 0).long()
model = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=float(sys.argv[1]))
for epoch in range(20):
    for i in range(0, 512, 64):
        loss = torch.nn.functional.cross_entropy(model(x[i : i + 64]), y[i : i + 64])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("accuracy", (model(x).argmax(1) == y).float().mean().item())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SICK)
    return tmp_path / "train.py"


def accuracy(script: Path, *words: str) -> float:
    """What the script prints, run by a command."""
    command = [sys.executable, *words, str(script), "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=script.parent)
    return float(done.stdout.split()[-1])


def test_a_sick_script_is_cured_without_being_touched(script: Path) -> None:
    command = [*TREAT, "--trials", "30", str(script), "60"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=script.parent)
    assert done.returncode == 0, done.stderr
    assert "accuracy" not in done.stdout + done.stderr
    assert "helps" in done.stdout
    assert done.stderr == ""
    assert script.read_text() == SICK
    assert {file.name for file in script.parent.iterdir()} == WRITTEN
    prescription = Prescription.load(script.parent / "prescription.toml")
    assert prescription.evidence is not None
    assert prescription.evidence.low > 0 or prescription.evidence.low == prescription.evidence.high
    before, after = (
        accuracy(script),
        accuracy(script, "-m", "gradmedic", "run", "--quiet", "--with", "prescription.toml"),
    )
    assert after > before + 0.2


def test_a_healthy_script_is_left_alone(script: Path) -> None:
    done = subprocess.run([*TREAT, str(script), "0.5"], capture_output=True, text=True, cwd=script.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing to treat" in done.stdout
    assert not (script.parent / "prescription.toml").exists()


def test_ctrl_c_keeps_what_is_known_leaves_nothing_running_and_can_be_resumed(script: Path) -> None:
    store = script.parent / "prescription.trials.jsonl"
    command = [*TREAT, "--in-place", "--trials", "30", str(script), "60"]  # each trial leaves its number
    treating = subprocess.Popen(command, cwd=script.parent, stdout=subprocess.PIPE, text=True, start_new_session=True)
    while not store.exists() or store.read_text().count("\n") < 3:
        assert treating.poll() is None
        time.sleep(0.05)
    os.kill(treating.pid, signal.SIGINT)
    told, _ = treating.communicate(timeout=60)
    assert treating.returncode == 130
    assert "Interrupted" in told
    known = store.read_text().count("\n") - 1
    pids = [int(pid) for pid in (script.parent / "pids").read_text().split()]
    assert not [
        pid for pid in pids if os.path.exists(f"/proc/{pid}/cmdline") and Path(f"/proc/{pid}/cmdline").read_text()
    ]
    begun = len(pids)
    done = subprocess.run(
        [*command[:-4], "--trials", "4", *command[-2:]], capture_output=True, text=True, cwd=script.parent
    )
    assert done.returncode == 0, done.stderr
    assert len((script.parent / "pids").read_text().split()) - begun <= 5
    assert store.read_text().count("\n") - 1 >= known
