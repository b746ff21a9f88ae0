"""Treatments and comparisons that are interrupted at a random moment leave nothing; all moments are a benchmark's."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "interruptions.py"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks Linux for what is left")
@pytest.mark.parametrize("command", ["treat", "compare"])
def test_ctrl_c_and_kill_leave_no_process_no_file_and_the_folder_as_it_was(command: str) -> None:
    words = ["--moments", "1", "--latest", "10", "--seed", str(random.randrange(10**6)), "--commands", command]
    done = subprocess.run([sys.executable, str(BENCHMARK), *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 left nothing" in done.stdout
