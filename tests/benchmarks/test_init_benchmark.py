"""The benchmark of initializations runs, and tells flat from steep."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "init.py"


def test_the_quick_benchmark_prints_a_table_with_all_initializations() -> None:
    command = [sys.executable, str(BENCHMARK), "--quick", "--only", "sigmoid"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    head, _, row = done.stdout.splitlines()[-3:]
    assert head.split(" | ")[1:] == ["default", "xavier", "he", "lsuv", "critical |"]
    spreads = [float(cell.partition(" / ")[0].strip(" *|")) for cell in row.split(" | ")[1:]]
    assert spreads[-1] < 0.3 < 2 < spreads[0]
