"""A run that is to end after some steps, and a script whose seeds are shifted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOP = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 2)
generator, critic = torch.optim.SGD([model.weight], lr=0.1), torch.optim.Adam([model.bias], lr=0.1)
try:
    for step in range(100):
        for optimizer in {optimizers}:
            loss = model(torch.randn(8, 4)).pow(2).mean()
            model.zero_grad()
            {step}
        print(step)
finally:
    print("swept")
"""
WAYS = {
    "one optimizer": ("(generator,)", "loss.backward(); generator.step()"),
    "two optimizers": ("(generator, critic)", "loss.backward(); optimizer.step()"),
    "a closure": ("(generator,)", "generator.step(lambda: (loss.backward(), loss)[1])"),
    "by hand": ("(None,)", "loss.backward(); model.weight.data -= 0.1 * model.weight.grad"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_ends_in_good_order_between_two_steps(way: str, tmp_path: Path) -> None:
    optimizers, step = WAYS[way]
    (tmp_path / "train.py").write_text(LOOP.format(optimizers=optimizers, step=step))
    environ = os.environ | {"GRADMEDIC_STEPS": "7", "GRADMEDIC_SEED_SHIFT": "3", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "gradmedic",
        "run",
        "--quiet",
        "--record",
        str(tmp_path / "run"),
        str(tmp_path / "train.py"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *steps, last = done.stdout.split()
    assert len(steps) in (6, 7)  # a step by hand is seen when the next pass begins
    assert last == "swept"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["ending"] == "stopped"
