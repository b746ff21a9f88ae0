"""Does the first line of Next cure? It is applied to every sick script of a folder, and what that recovers is counted.

    python benchmarks/advice.py --cases DIR [--sample N] [--only ID ...] [--jobs 2] [--json FILE]

Each sick script is run and diagnosed. The first line of Next of its first alarm is applied as the remedy that speaks
of the same things in code (the one with most names in common, at the dose with the same numbers if there is one, else
its first), by `gradmedic run --with`; where none does, the first line that can be applied is taken, and told apart.
Recovered is what cures.py calls so: how much of the way to a person's cure the last number printed has made, with the
script's own seeds and with shifted ones. It cures if that is half with both. The untreated and the cured are taken
from the labels. `--sample` takes every n-th sick script, so that N are left.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cases import TIMEOUT, Case, cases_in, environment, metric_after, share
from cures import GOOD, RUN, SEEDS, recovered

from gradmedic.base.errors import GradmedicError
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.report import Report
from gradmedic.recording.reader import load
from gradmedic.treatment.prescription import Prescription
from gradmedic.treatment.remedies import Remedy, all_remedies
from gradmedic.trials.search.treatment_result import label

NAME = re.compile(r"[A-Za-z_]\w{2,}")
NUMBER = re.compile(r"\d+\.?\d*(?:e[-+]?\d+)?")
COMMON = frozenset(("torch", "model", "layer", "loss", "for", "the", "and", "self", "parameters", "optimizer"))
"""Names that stand in most pieces of code, whatever they are for."""


@dataclass(frozen=True)
class Advice:
    """What the first applicable line of Next was worth; `line` counts from 1, 0 where none could be applied."""

    case: Case
    rule: str = ""
    act: str = ""
    line: int = 0
    remedy: str = ""
    recovered: tuple[float, ...] = ()

    @property
    def cures(self) -> bool:
        """Whether that is enough, with each seed."""
        return bool(self.recovered) and min(self.recovered) >= GOOD


def advised(case: Case) -> Advice:
    """Diagnose a script, apply what is advised first, and see what that recovers."""
    with tempfile.TemporaryDirectory() as folder:
        report = diagnosed(case, Path(folder))
        first = next((one for one in report.findings if one.severity > Severity.NOTE), None) if report else None
        if report is None or first is None:
            return Advice(case)
        for number, cure in enumerate(first.next, start=1):
            remedy = meant(cure.code, first, report)
            if remedy is not None:
                file = Path(folder) / "prescription.toml"
                Prescription((remedy.item,)).save(file)
                after = [metric_after((*RUN, "--with", str(file)), case.script, seed) for seed in SEEDS]
                ways = zip(case.before, case.cure, after, strict=False)
                worth = tuple(recovered(case.kind, *way) for way in ways)
                return Advice(case, first.rule, str(cure.act), number, label(Prescription((remedy.item,))), worth)
        return Advice(case, first.rule, str(first.next[0].act) if first.next else "")


def diagnosed(case: Case, folder: Path) -> Report | None:
    """The report on a run of the script as it is; None where there is none."""
    command = [sys.executable, "-m", "gradmedic", "run", "--quiet", "--record", str(folder / "run"), str(case.script)]
    try:
        subprocess.run(command, env=environment(0), cwd=folder, capture_output=True, timeout=TIMEOUT)
        return judge(load(folder / "run"))
    except (subprocess.TimeoutExpired, GradmedicError):
        return None


def meant(code: str, finding: Finding, report: Report) -> Remedy | None:
    """The remedy, at the dose, whose code has most names, and then numbers, in common with a line of advice."""
    said, numbers = words(code), {*map(float, NUMBER.findall(code))}
    fit = [kind for kind in all_remedies().values() if finding.rule in kind.cures]
    found: list[tuple[float, int, int, Remedy]] = []
    for kind in sorted(fit, key=lambda one: one.distance(finding)):
        for order, dose in enumerate(kind.doses(finding, report.recording)):
            meaning = words(dose.code())
            alike = len(said & meaning) / max(1, len(said | meaning))
            same = len(numbers & {*map(float, NUMBER.findall(dose.code()))})
            found.append((alike, same, -order, dose))
    best = max(found, key=lambda one: one[:3], default=None)
    return best[3] if best is not None and best[0] > 0 else None


def words(code: str) -> set[str]:
    """The names that a piece of code speaks of, but for those that stand everywhere; comments say nothing."""
    lines = (line.partition("#")[0] for line in code.splitlines())
    return {name.lower() for line in lines for name in NAME.findall(line)} - COMMON


def line(one: Advice) -> str:
    """One case in a line."""
    worth = " ".join(f"{share:6.2f}" for share in one.recovered) or "     -      -"
    mark = "cures" if one.cures else "NOT"
    what = f"line {one.line}: {one.act} [{one.remedy}]" if one.line else f"not applied: {one.act or 'no alarm'}"
    return f"{one.case.id:10} {one.case.fault:13} {mark:6} {worth}  {one.rule}: {what}"


def main() -> int:
    """Print a line for each sick script, and the counts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--sample", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sick = [case for case in cases_in(options.cases.resolve(), options.only) if not case.healthy and case.cure]
    told: list[Advice] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for one in pool.map(advised, sick[:: max(1, -(-len(sick) // options.sample))] if options.sample else sick):
            told.append(one)
            print(line(one), flush=True)
    first = [one for one in told if one.line == 1]
    print(f"first line cures {sum(one.cures for one in first)} of {len(told)}, "
          f"first that can be applied {share(one.cures for one in told)}")  # fmt: skip
    if options.json:
        rows = [{"case": o.case.id, "rule": o.rule, "act": o.act, "line": o.line, "remedy": o.remedy,
                 "recovered": o.recovered} for o in told]  # fmt: skip
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
