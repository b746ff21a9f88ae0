"""Labeled training scripts: what is wrong with each, how it is cured by hand, and what it prints."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED_SHIFT = Path(__file__).parent / "seed_shift"
TIMEOUT = 300.0
NUMBER = re.compile(r"[-+]?(?:\bnan\b|\binf\b|\d+\.?\d*(?:e[-+]?\d+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One labeled script. `before` and `cure` are its metric as labeled, untreated and cured by hand, for two seeds."""

    id: str
    script: Path
    fault: str
    also: tuple[str, ...] = ()
    where: str | None = None
    kind: str = "accuracy"
    cured: Path | None = None
    patch: tuple[tuple[str, str], ...] = ()
    before: tuple[float, ...] = ()
    cure: tuple[float, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.fault == "healthy"

    def cured_source(self) -> str:
        """The script as a person has cured it."""
        if self.cured is not None:
            return self.cured.read_text(encoding="utf-8")
        source = self.script.read_text(encoding="utf-8")
        for old, new in self.patch:
            source = source.replace(old, new)
        return source


def cases_in(folder: Path, only: Sequence[str] = ()) -> list[Case]:
    """Read the labels of a folder."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [
        Case(
            r["id"],
            folder / r["script"],
            r["primary_fault"],
            tuple(r["also_acceptable"]),
            r["where"],
            r.get("metric_kind", "accuracy"),
            folder / r["cured"] if "cured" in r else None,
            tuple((old, new) for old, new in r.get("cure") or ()),
            tuple(map(float, r.get("metric_before") or ())),
            tuple(map(float, r.get("metric_after_cure") or ())),
        )
        for r in rows
        if not only or r["id"] in only
    ]


def environment(seed_shift: int) -> dict[str, str]:
    """The surroundings of a run: one thread, and seeds that are shifted from outside."""
    env = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    if seed_shift:
        paths = [str(SEED_SHIFT.resolve()), env.get("PYTHONPATH", "")]
        env |= {"WARD_SEED_SHIFT": str(seed_shift), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return env


def metric_after(command: Sequence[str], script: Path, seed_shift: int) -> float:
    """The last number that a script prints, run by some command; NaN if it prints none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, *command, str(script)],
                env=environment(seed_shift),
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            return float("nan")
    found = NUMBER.findall(done.stdout)
    return float(found[-1]) if found else float("nan")


def share(good: Iterable[bool]) -> str:
    """Count what is good, as "7/9"."""
    counted = list(good)
    return f"{sum(counted)}/{len(counted)}"
