"""Run every script of a folder of labeled training scripts and say how often gradmedic is right.

    python benchmarks/ward.py --cases tests/ward [--seed-shift 100] [--jobs 2] [--only ID ...] [--json FILE]
    python benchmarks/ward.py --cases tests/ward --treat [--minutes 3] [--random]    # see cures.py

A folder holds `labels.jsonl`, one line per script. Scripts run unmodified, each in a process of its own.
* alarm: any finding that is a warning or critical. On a healthy script it is a false alarm.
* strict: the first alarm is the labeled fault. Lenient: it is that, or one of `also_acceptable`.
* located: the regular expression `where` matches what the first alarm names first. Without `where` it is not asked.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cases import TIMEOUT, Case, cases_in, environment, share
from cures import treat_all

LABEL_OF_RULE = {
    "vanishing-gradient": "vanishing",
    "vanishing-through-time": "vanishing",
    "exploding-gradient": "exploding",
    "dead-relu": "dead_relu",
    "saturated-activation": "saturation",
    "poor-initialization": "poor_init",
    "learning-rate-too-high": "lr_too_high",
    "learning-rate-too-low": "lr_too_low",
    "loss-mismatch": "loss_mismatch",
    "stale-gradients": "no_zero_grad",
    "disconnected-parameters": "disconnected",
    "non-finite": "nonfinite",
    "gradient-underflow": "nonfinite",
    "loss-spike": "lr_too_high",
    "zero-gradient": "disconnected",
    "weight-decay": "weight_decay",
    "batch-norm-eval": "eval_mode",
    "clipping": "clip",
}


@dataclass(frozen=True)
class Said:
    """What gradmedic said about one script; `findings` are the alarms in the order of the report."""

    case: Case
    findings: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    trouble: str = ""
    output: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """The label of the first alarm, or "healthy"."""
        if not self.findings:
            return "healthy"
        rule = str(self.findings[0]["rule"])
        return LABEL_OF_RULE.get(rule, rule)

    @property
    def alarm(self) -> bool:
        """Whether anything was called wrong."""
        return bool(self.findings)

    @property
    def strict(self) -> bool:
        """Whether the first alarm is the labeled fault."""
        return not self.trouble and self.label == self.case.fault

    @property
    def lenient(self) -> bool:
        """Whether the first alarm is the labeled fault or a true symptom of it."""
        return self.strict or (not self.trouble and self.label in self.case.also)

    @property
    def located(self) -> bool | None:
        """Whether the place that was named first is the right one; None where that is not asked."""
        if self.case.where is None:
            return None
        return any(re.search(self.case.where, name) for name in self.named)

    @property
    def named(self) -> tuple[str, ...]:
        """Name, kind and parameter of the place that was named first."""
        sites = self.findings[0].get("sites", []) if self.findings else []
        return tuple(str(sites[0][key]) for key in ("name", "kind", "parameter") if sites[0].get(key)) if sites else ()


def visit(case: Case, seed_shift: int = 0, options: Sequence[str] = ()) -> Said:
    """Run one script under gradmedic in a fresh process and read the report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "gradmedic", "run", "--quiet", *options, "-o", str(report), str(case.script)]
        start = time.perf_counter()
        try:
            done = subprocess.run(
                command, env=environment(seed_shift), cwd=folder, capture_output=True, text=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            return Said(case, seconds=TIMEOUT, trouble="timed out")
        seconds = time.perf_counter() - start
        if not report.exists():
            return Said(case, seconds=seconds, trouble=f"no report: {done.stderr.strip()[-300:]}", output=done.stdout)
        findings = json.loads(report.read_text(encoding="utf-8"))["findings"]
    ours = [line for line in done.stderr.splitlines() if "gradmedic could not" in line]
    trouble = f"exit code {done.returncode}: {done.stderr.strip()[-300:]}" if done.returncode else " ".join(ours)
    alarms = tuple(finding for finding in findings if finding["severity"] != "note")
    notes = tuple(finding["rule"] for finding in findings if finding["severity"] == "note")
    return Said(case, alarms, notes, seconds, trouble, done.stdout)


def row(name: str, said: Sequence[Said]) -> str:
    """One line of the table."""
    sick = [one for one in said if not one.case.healthy]
    located = share(one.located for one in sick if one.located is not None)
    strict, lenient = share(one.strict for one in said), share(one.lenient for one in said)
    return f"{name:15}{share(one.alarm for one in said):>8}{strict:>8}{lenient:>9}{located:>9}"


def table(said: Sequence[Said]) -> list[str]:
    """One line per class, the sick together, and the false alarms."""
    faults = sorted({one.case.fault for one in said} - {"healthy"})
    sick = [one for one in said if not one.case.healthy]
    lines = [f"{'class':15}{'alarm':>8}{'strict':>8}{'lenient':>9}{'located':>9}"]
    lines += [row(fault, [one for one in sick if one.case.fault == fault]) for fault in faults]
    lines += [row("all sick", sick)] if sick else []
    healthy = [one for one in said if one.case.healthy]
    return [*lines, f"{'false alarms':15}{share(one.alarm for one in healthy):>8}"]


def failure(one: Said) -> str | None:
    """What went wrong with one case, or None where all is right."""
    told = ", ".join(f"{finding['rule']} ({finding['severity']})" for finding in one.findings) or "nothing"
    place = " ".join(one.named) or "no place"
    if one.trouble:
        return f"{one.case.id}: {one.trouble}"
    if one.case.healthy:
        return f"{one.case.id}: FALSE ALARM {told}; at {place}" if one.alarm else None
    if not one.strict:
        verdict = "second best" if one.lenient else "WRONG"
        return f"{one.case.id}: {verdict}, is {one.case.fault}, said {told}; at {place}"
    return f"{one.case.id}: right, but at {place}, not {one.case.where}" if one.located is False else None


def as_json(one: Said) -> dict[str, Any]:
    """One case as plain values."""
    verdicts = {"label": one.label, "strict": one.strict, "lenient": one.lenient, "located": one.located}
    return {**asdict(one), "case": one.case.id, "fault": one.case.fault, **verdicts}


def options_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--seed-shift", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cured", action="store_true", help="run the cured twins, which are healthy")
    parser.add_argument("--every", help="passed on to gradmedic run")
    parser.add_argument("--treat", action="store_true", help="treat the scripts, and see what that is worth")
    parser.add_argument("--minutes", type=float, default=3.0, help="time for each treatment")
    parser.add_argument("--random", action="store_true", help="beside it, remedies drawn at random, as many trials")
    parser.add_argument(
        "--labeled", action="store_true", help="take what the labels say of the untreated and the cured"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Visit every case, print failures and the table; the exit code is 1 if a healthy script raised an alarm."""
    options = options_of(argv)
    passed_on = ["--every", options.every] if options.every else []
    cases = cases_in(options.cases.resolve(), options.only)
    if options.cured:
        cases = [replace(case, script=case.cured, fault="healthy") for case in cases if case.cured is not None]
    if options.treat:
        return treat_all(cases, options)
    said = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for one in pool.map(lambda case: visit(case, options.seed_shift, passed_on), cases):
            said.append(one)
            if line := failure(one):
                print(line, flush=True)
    print("", *table(said), sep="\n")
    if options.json:
        options.json.write_text(json.dumps([as_json(one) for one in said], indent=1), encoding="utf-8")
    return int(any(one.alarm for one in said if one.case.healthy))


if __name__ == "__main__":
    sys.exit(main())
