"""Trainers, unmodified and with a callback: the right verdict, the right lines, and the same weights.

`make test-trainers` has them all; elsewhere those that are not installed are left out.
"""

import json
import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
SOURCE = Path(__file__).parents[2] / "src"
TRAINERS = ("lightning", "fabric", "transformers", "accelerate", "keras", "ignite", "skorch")
PACKAGES = {"fabric": "lightning"}
WITH_CALLBACKS = ("lightning", "transformers", "keras")
WITH_LINES = ("transformers", "accelerate")
"""Whose scripts call the model themselves, so that a line of the script made its operations. Those of Lightning and
Fabric do so too; under `gradmedic run` no line of theirs is found yet."""

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("health", ["sick", "healthy"])]


def ran(trainer: str, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    if find_spec(package := PACKAGES.get(trainer, trainer)) is None:
        pytest.skip(f"{package} is not installed")
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, *before, f"with_{trainer}.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS, env=surroundings)
    assert done.returncode == 0, done.stderr
    return done


def weights(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("weights "))
    return line


@cache
def bare(trainer: str, health: str) -> str:
    """The weights of a training that nobody watches."""
    return weights(ran(trainer, health))


@pytest.mark.parametrize("trainer", TRAINERS)
def test_an_unmodified_script_is_judged_right_and_trains_the_same(trainer: str, health: str, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    done = ran(trainer, health, before=("-m", "gradmedic", "run", "-o", str(out)))
    assert weights(done) == bare(trainer, health)
    report: dict[str, Any] = json.loads(out.read_text())
    assert report["verdict"] == health
    if health == "sick":
        assert report["findings"][0]["rule"] == "vanishing-gradient"
        assert trainer not in WITH_LINES or f"with_{trainer}.py:" in done.stderr.rstrip().splitlines()[-1]


@pytest.mark.parametrize("trainer", WITH_CALLBACKS)
def test_a_callback_tells_the_same_and_trains_the_same(trainer: str, health: str) -> None:
    done = ran(trainer, health, "callback")
    assert weights(done) == bare(trainer, health)
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("gradmedic: healthy" if health == "healthy" else "gradmedic: sick vanishing-gradient")
