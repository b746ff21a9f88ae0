"""Sharded training is what it is without gradmedic, to the last bit, and nothing false is said of it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parent / "scripts" / "sharded.py"
available = torch.distributed.is_available() and torch.distributed.is_gloo_available()
pytestmark = pytest.mark.skipif(not available, reason="this torch has no gloo")


def launched(processes: int, *words: str | Path) -> list[str]:
    """What rank 0 prints under torchrun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = ["-m", "torch.distributed.run", f"--master-port={port}", f"--nproc-per-node={processes}"]
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, *start, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("health", ["healthy", "sick"])
@pytest.mark.parametrize(
    ("layout", "processes"), [("fsdp2", 1), ("fsdp2", 2), ("fsdp1", 2), ("ddp", 2), ("tp", 2)], ids=str
)
def test_losses_and_weights_are_those_of_the_bare_run(layout: str, processes: int, health: str, tmp_path: Path) -> None:
    bare = launched(processes, SCRIPT, layout, health)
    assert len(bare) == 41
    report = tmp_path / "report.json"
    how: list[str | Path] = ["run", "--quiet", "--every", "1", "-o", report]
    assert launched(processes, "-m", "gradmedic", *how, SCRIPT, layout, health) == bare
    if health == "healthy":
        assert launched(processes, "-m", "gradmedic", "run", "--quiet", SCRIPT, layout, health) == bare
    found = {finding["rule"] for finding in json.loads(report.read_text())["findings"]}
    assert found <= (
        {"vanishing-gradient", "learning-rate-too-low", "saturated-activation"} if health == "sick" else set()
    )
    assert json.loads(report.read_text())["run"]["captures"] > 0
