"""A prescription whose optimizer is code, through whole commands; and one that the script imports, which is meant."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INJECTED = """[[remedy]]
name='change-optimizer'
to="AdamW(m.parameters());__import__('os').system('touch PWNED');torch.optim.SGD"
"""
SCRIPT = """
import os
import torch
from steps import Sign
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(32, 4)
y = (x[:, 0] > 0).long()
for step in range(20):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"{loss.item():.6f}")
"""
STEPS = """
import torch
class Sign(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p -= group["lr"] * p.grad.sign()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "steps.py").write_text(STEPS)
    return tmp_path


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "gradmedic", *words]
    surroundings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(line, cwd=folder, env=surroundings, capture_output=True, text=True)


def prescribed(folder: Path, to: str) -> None:
    (folder / "p.toml").write_text(f"[[remedy]]\nname = 'change-optimizer'\nto = '{to}'\nrate = 0.01\n")


@pytest.mark.parametrize("more", [[], ["--no-check", "--apply"]])
def test_no_code_of_a_prescription_is_run_by_patch(folder: Path, more: list[str]) -> None:
    (folder / "p.toml").write_text(INJECTED)
    done = command(folder, "patch", *more, "p.toml", "train.py")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("gradmedic: p.toml: there is no optimizer")
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(folder)) == ["p.toml", "steps.py", "train.py"]
    assert (folder / "train.py").read_text() == SCRIPT


def test_no_code_of_a_prescription_is_run_by_run_and_the_script_trains_without_it(folder: Path) -> None:
    (folder / "p.toml").write_text(INJECTED)
    plain = subprocess.run([sys.executable, "train.py"], cwd=folder, capture_output=True, text=True)
    done = command(folder, "run", "--with", "p.toml", "train.py")
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    assert "could not give change-optimizer: p.toml: there is no optimizer" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "PWNED").exists()


def test_an_optimizer_that_the_script_imports_is_written_as_the_script_calls_it(folder: Path) -> None:
    prescribed(folder, "steps.Sign")
    done = command(folder, "patch", "--steps", "10", "p.toml", "train.py")
    assert done.returncode == 0, done.stderr
    assert "+optimizer = Sign(model.parameters(), lr=0.01)" in done.stdout


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("os.system", "the script imports no optimizer 'os.system'"),
        ("lion_pytorch.Lion", "the script does not import lion_pytorch.Lion"),
    ],
)
def test_what_is_no_optimizer_is_not_tried(folder: Path, to: str, told: str) -> None:
    prescribed(folder, to)
    done = command(folder, "patch", "--steps", "10", "p.toml", "train.py")
    assert done.returncode == 1
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
