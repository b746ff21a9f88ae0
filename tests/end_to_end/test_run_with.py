"""`gradmedic run --with`: a script trains under a prescription without knowing it."""

import subprocess
import sys
from pathlib import Path

import pytest

from gradmedic.archive import load

SCRIPT = """
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
model = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(16, 16), nn.ReLU())], nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(128, 16)
y = (x[:, 0] > 0).long()
for step in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(float(torch.rand(())), optimizer.param_groups[0]["lr"], loss.item())
"""


def run(folder: Path, prescription: str | None = None, *flags: str) -> "subprocess.CompletedProcess[str]":
    (folder / "train.py").write_text(SCRIPT)
    if prescription is not None:
        (folder / "p.toml").write_text(prescription)
        flags = ("--with", "p.toml", *flags)
    command = [sys.executable, "-m", "gradmedic", "run", "-o", "report.json", *flags, "train.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def told(done: "subprocess.CompletedProcess[str]") -> tuple[float, float, float]:
    draw, rate, loss = map(float, done.stdout.split())
    return draw, rate, loss


@pytest.fixture(scope="module")
def untreated(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float, float]:
    return told(run(tmp_path_factory.mktemp("untreated")))


def test_trains_better_on_the_same_data(tmp_path: Path, untreated: tuple[float, float, float]) -> None:
    text = '[[remedy]]\nname = "init-he"\n\n[[remedy]]\nname = "learning-rate"\nfactor = 2\n'
    draw, rate, loss = told(run(tmp_path, text))
    assert loss < untreated[2] / 2
    assert (draw, rate) == untreated[:2], "the random state, and the rate that the script sees, are its own"


def test_a_remedy_that_cannot_be_given_is_told_and_the_others_are_given(
    tmp_path: Path, untreated: tuple[float, float, float]
) -> None:
    text = '[[remedy]]\nname = "init-he"\n\n[[remedy]]\nname = "learning-rate"\nfaktor = 2\n'
    done = run(tmp_path, text)
    assert "could not give learning-rate: learning-rate has no dose 'faktor'; did you mean 'factor'?" in done.stderr
    assert told(done)[2] < untreated[2]


def test_a_prescription_that_cannot_be_read_ends_it_before_it_starts(tmp_path: Path) -> None:
    done = run(tmp_path, "[[remedy]")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "p.toml is not valid TOML" in done.stderr


def test_the_recording_says_what_was_given_and_what_was_refused(tmp_path: Path) -> None:
    text = '[[remedy]]\nname = "clip-grad-norm"\nmax_norm = 1.0\n\n[[remedy]]\nname = "init-he"\nweights = ["nobody"]\n'
    run(tmp_path, text, "--record", "kept")
    kept = load(tmp_path / "kept")
    assert [event.data["remedy"] for event in kept.events_of("remedy")] == ["clip-grad-norm", "init-he"]
    assert [event.data["remedy"] for event in kept.events_of("refused")] == ["init-he"]
