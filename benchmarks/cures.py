"""Treat every script of a ward, run it under its prescription, and say how much of the cure that recovers.

    python benchmarks/ward.py --cases DIR --treat [--minutes 3] [--random] [--only ID ...] [--json FILE]

Each script is treated once, for `--minutes` at most, and then run under its prescription with its own
seeds and with seeds shifted by 100, which no trial has seen.
* recovered: (after - before) / (cure - before) of the last number printed, for losses of its logarithm.
  `before` is the script as it is, `cure` the one that a person has cured. Where `before` is not finite:
  1 if `after` is finite and within 1.25 of the cure, else 0.
* repaired: recovered at least 0.5 with both seeds.
* harm: a healthy script whose metric is worse than before by more than 0.02 (a loss: by a tenth), with either seed.
* `--random` draws as many remedies as were tried, at random among all remedies and doses, and does with them the same.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import isfinite, log
from pathlib import Path
from typing import Any

from cases import Case, metric_after, share

from gradmedic.base.errors import GradmedicError
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.report import Report
from gradmedic.treatment.prescription import Prescription
from gradmedic.treatment.remedies import all_remedies
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.treatment_result import label
from gradmedic.verbs.treat import treat

SEEDS = (0, 100)
GOOD = 0.5
RUN = ("-m", "gradmedic", "run", "--quiet")


@dataclass(frozen=True)
class Cured:
    """What the treatment of one script was worth; metrics are one per seed."""

    case: Case
    before: tuple[float, ...]
    cure: tuple[float, ...]
    after: tuple[float, ...]
    remedy: str = ""
    verdict: str = ""
    diagnosis: str = ""
    trials: int = 0
    seconds: float = 0.0
    screen: str = field(default="", repr=False)

    @property
    def recovered(self) -> tuple[float, ...]:
        """How much of the way to the cure, for each seed."""
        ways = zip(self.before, self.cure, self.after, strict=False)
        return tuple(recovered(self.case.kind, *way) for way in ways)

    @property
    def repaired(self) -> bool:
        """Whether that is enough, with each seed."""
        return bool(self.recovered) and min(self.recovered) >= GOOD

    @property
    def harmed(self) -> bool:
        """Whether a healthy script is worse than before."""
        pairs = zip(self.before, self.after, strict=False)
        return self.case.healthy and any(worse(self.case.kind, *pair) for pair in pairs)


def recovered(kind: str, before: float, cure: float, after: float) -> float:
    """How much of the way from before to the cure has been made."""
    if not isfinite(after):
        return 0.0
    if not isfinite(before):
        close = after <= 1.25 * cure if kind == "loss" else after >= cure / 1.25
        return 1.0 if close else 0.0
    if kind == "loss":
        before, cure, after = (log(max(metric, 1e-12)) for metric in (before, cure, after))
    return (after - before) / (cure - before) if cure != before else 0.0


def worse(kind: str, before: float, after: float) -> bool:
    """Whether a metric has become worse by more than another draw of numbers would make it."""
    if not isfinite(after):
        return isfinite(before)
    return after > 1.1 * before + 1e-9 if kind == "loss" else after < before - 0.02


def measured(case: Case, labeled: bool) -> Cured:
    """A case before its treatment, from the labels or from runs."""
    if labeled:
        return Cured(case, case.before, case.cure, case.before)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        by_hand = Path(folder) / case.script.name
        by_hand.write_text(case.cured_source(), encoding="utf-8")
        before = tuple(pool.map(partial(metric_after, (), case.script), SEEDS))
        cure = () if case.healthy else tuple(pool.map(partial(metric_after, (), by_hand), SEEDS))
    return Cured(case, before, cure, before)


def treated(found: Cured, minutes: float, **how: Any) -> Cured:
    """The same case after its treatment."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prescription.toml"
        try:
            with chdir(folder):
                treatment = treat(found.case.script, minutes=minutes, output=file, **how)
        except GradmedicError as error:
            return replace(found, verdict=f"{type(error).__name__}: {error}", seconds=time.monotonic() - began)
        seconds = time.monotonic() - began
        after = found.before
        if treatment.prescription is not None:
            with ThreadPoolExecutor(2) as pool:
                under = partial(metric_after, (*RUN, "--with", str(file)), found.case.script)
                after = tuple(pool.map(under, SEEDS))
    diagnosis = ", ".join(finding.rule for finding in treatment.before.findings)
    remedy = label(treatment.prescription) if treatment.prescription else ""
    facts = (remedy, str(treatment.verdict), diagnosis, treatment.trials, seconds, str(treatment))
    return Cured(found.case, found.before, found.cure, after, *facts)


def at_random(report: Report, seed: int) -> Iterator[Candidate]:
    """Remedies without end, drawn from all that there are, at a dose that each would have for some disease."""
    lot = random.Random(seed)
    remedies = [*all_remedies().values()]
    places = report.findings[0].places if report.findings else ()
    for order in range(10_000):
        remedy = lot.choice(remedies)
        known: Finding = replace(report.findings[0], rule=lot.choice(remedy.cures), places=places)
        try:
            doses = [*remedy.doses(known, report.recording)]
        except Exception:
            continue
        if doses:
            yield Candidate(Prescription((lot.choice(doses).item,)), order=order)


def treat_all(cases: Sequence[Case], options: argparse.Namespace) -> int:
    """Treat every case, print a line for each and the table; the exit code is 1 if a healthy script was harmed."""
    told: list[tuple[Cured, Cured | None]] = []
    for number, case in enumerate(cases):
        found = treated(measured(case, options.labeled), options.minutes)
        other = None
        if options.random and not case.healthy:
            lot = partial(drawn, seed=number, count=found.trials)
            other = treated(found, options.minutes, trials=found.trials, candidates=lot)
        told.append((found, other))
        print(line(found), *([f"      random: {line(other)}"] if other else []), sep="\n", flush=True)
        if options.json:
            options.json.write_text(json.dumps([as_json(*one) for one in told], indent=1), encoding="utf-8")
    print("", *table(told), sep="\n")
    return int(any(one.harmed for one, _ in told))


def drawn(report: Report, seed: int, count: int) -> list[Candidate]:
    """Different remedies at random, as many as are asked for, or as there are."""
    found: dict[str, Candidate] = {}
    for candidate in at_random(report, seed):
        found.setdefault(candidate.key, candidate)
        if len(found) >= count:
            break
    return [*found.values()]


def line(one: Cured) -> str:
    """One case in a line."""
    worth = " ".join(f"{share:6.2f}" for share in one.recovered) or ("harmed" if one.harmed else "as before")
    mark = "repaired" if one.repaired else ("" if one.case.healthy else "NOT")
    rest = f"{one.trials:3} runs {one.seconds:4.0f} s  {one.remedy or one.verdict}"
    return f"{one.case.id:10} {one.case.fault:13} {mark:8} {worth:14} {rest}"


def table(told: Sequence[tuple[Cured, Cured | None]]) -> Iterator[str]:
    """What it all comes to, class by class, and for random remedies."""
    sick = [one for one, _ in told if not one.case.healthy]
    lots = [other for _, other in told if other is not None]
    for fault in sorted({one.case.fault for one in sick}):
        here = [one for one in sick if one.case.fault == fault]
        chance = [one for one in lots if one.case.fault == fault]
        yield f"{fault:15}{share(one.repaired for one in here):>8}{share(one.repaired for one in chance):>10}"
    yield f"{'repaired':15}{share(one.repaired for one in sick):>8}{share(one.repaired for one in lots):>10}"
    yield f"{'harmed':15}{share(one.harmed for one, _ in told if one.case.healthy):>8}"
    if sick:
        yield f"{'seconds':15}{sum(one.seconds for one in sick) / len(sick):8.0f}"
        yield f"{'runs':15}{sum(one.trials for one in sick) / len(sick):8.0f}"


def as_json(one: Cured, other: Cured | None) -> dict[str, Any]:
    """One case as plain values."""
    told = {**asdict(one), "case": one.case.id, "fault": one.case.fault, "recovered": one.recovered}
    return {**told, "repaired": one.repaired, "harmed": one.harmed, "random": as_json(other, None) if other else None}
