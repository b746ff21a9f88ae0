"""`gradmedic compare`: a script is trained with other activations without knowing it."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
first, act, second, out = nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 16), nn.Linear(16, 1)
net = nn.ModuleList([first, act, second, out])
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
x = torch.randn(128, 8)
y = (x[:, :1] > 0).float()
for step in range(40):
    optimizer.zero_grad()
    loss = F.binary_cross_entropy(torch.sigmoid(out(torch.sigmoid(second(act(first(x)))))), y)
    loss.backward()
    optimizer.step()
    print("accuracy", (loss < 0.5).item() + step / 100)
"""


def run(folder: Path, script: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    (folder / "train.py").write_text(script)
    command = [sys.executable, "-m", "gradmedic", "compare", *flags, "train.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_modules_and_functions_are_swapped_and_the_output_is_not(tmp_path: Path) -> None:
    done = run(tmp_path, SCRIPT, "--activations", "relu", "--seeds", "2", "-o", "c.json", "-o", "c.md")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sigmoid at 2 places" in done.stdout
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["standings"][0]["activation"] == "relu"
    at_work = {one["activation"]: one["runs"][0]["activations"] for one in found["standings"]}
    assert at_work == {"sigmoid": {"sigmoid": 2}, "relu": {"relu": 2}}
    assert {run["ended"] for one in found["standings"] for run in one["runs"]} == {"finished"}
    assert all(len(run["looks"]) > 1 for one in found["standings"] for run in one["runs"])
    assert all(one["time_ratio"] for one in found["standings"])
    assert (tmp_path / "c.md").read_text().startswith("# train.py")
    assert (tmp_path / "c.trials.jsonl").exists()


def test_a_script_in_which_nothing_can_be_swapped_gets_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, SCRIPT.replace("torch.sigmoid(second(act(first(x))))", "second(first(x))"), "--seeds", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gradmedic: there is nothing to compare: this network has no hidden activation")
    assert done.stderr.count("\n") == 1
