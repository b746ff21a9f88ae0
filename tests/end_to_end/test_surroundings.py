"""Whatever a process finds around itself, the script runs as under `python`, and the screen appears where it can."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "gradmedic")
SCRIPT = """
import os, sys, torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Sigmoid())])
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(40):
    optimizer.zero_grad()
    model(torch.randn(16, 8)).pow(2).mean().backward()
    optimizer.step()
if sys.stdout is not None:
    print(sys.argv, [os.environ.get(name) for name in ("RANK", "COLUMNS", "HOME")], model[0].weight.sum().item())
print("on stderr", file=sys.stderr or open(os.devnull, "w"))
sys.exit(7)
"""
SEEN = "vanishing-gradient"

SHELLS = {
    "stderr closed": ("{} 2>&-", False),
    "stdout closed": ("{} >&-", True),
    "all closed": ("{} <&- >&- 2>&-", False),
    "stderr full": ("{} 2>/dev/full", False),
    "no rank": ("RANK= WORLD_SIZE= {}", True),
    "odd ranks": ("RANK=first WORLD_SIZE=1.5 {}", True),
    "no columns": ("COLUMNS=0 LINES=0 {}", True),
    "columns in words": ("COLUMNS=abc LINES=many {}", True),
    "columns in other digits": ("COLUMNS=² LINES=² {}", True),
    "unknown terminal": ("TERM=nobody-knows {}", True),
    "dumb terminal": ("TERM=dumb NO_COLOR=1 {}", True),
    "ascii, strictly": ("PYTHONIOENCODING=ascii:strict {}", True),
    "plain locale": ("LANG=C LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {}", True),
    "home of nobody": ("HOME=/nowhere TMPDIR=/nowhere {}", True),
    "empty environment": ("env -i {}", True),
    "folder deleted": ("mkdir gone && cd gone && rmdir ../gone && {}", None),
    "warnings as errors": ("PYTHONWARNINGS=error::UserWarning {}", True),
}


def outcome(shell: str, command: str, folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        ["sh", "-c", shell.format(f"{command} {folder / 'train.py'} --words")],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="there is no shell here")
@pytest.mark.parametrize("name", SHELLS)
def test_a_script_runs_whatever_is_around_it(name: str, tmp_path: Path) -> None:
    shell, screen = SHELLS[name]
    (tmp_path / "train.py").write_text(SCRIPT)
    status, out, err = outcome(shell, sys.executable, tmp_path)
    ours = outcome(shell, f"{COMMAND} run", tmp_path)
    assert ours[:2] == (status, out)
    assert ours[2].startswith(err)
    assert "could not" not in ours[2]
    if screen is not None:
        assert (SEEN in re.sub(r"\s", "", ours[2])) is screen
