"""Find the remedy that makes a script train better, and prove it by paired trials."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradmedic import __version__
from gradmedic.base.errors import ProbeError
from gradmedic.base.messages import Message
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.report import Report
from gradmedic.treatment.prescription import Evidence
from gradmedic.trials.arms import observed, recording_of
from gradmedic.trials.budget import Budget
from gradmedic.trials.paired_effect import effect
from gradmedic.trials.printed_numbers import goal_of, moving
from gradmedic.trials.result_store import Results
from gradmedic.trials.runners import Runner, runner_named
from gradmedic.trials.search.candidates import Candidate, by_diagnosis
from gradmedic.trials.search.healing import healing
from gradmedic.trials.search.ranking import Ranking
from gradmedic.trials.search.search import Search
from gradmedic.trials.search.treatment_result import ArmResult, Treatment
from gradmedic.trials.surrogates import why_no_measure
from gradmedic.trials.trial import Outcome, Script, Trial
from gradmedic.trials.trial_length import at_trial_length
from gradmedic.verbs.call_settings import settings_of
from gradmedic.verbs.patch import version_of

FIRST = 0.25
"""Share of the time that the first run may take; a longer one is ended, and trials are as long as it came."""

Propose = Callable[[Report], Sequence[Candidate]]
Choose = Callable[[Sequence[str]], str | None]
HELD_OUT = ("val", "test", "eval", "dev", "held")
"""How the names of numbers begin that are measured on held-out data."""


def first_held_out(names: Sequence[str]) -> str | None:
    """Of the numbers that a script prints the first that is held out, else the first."""
    return min(names, key=lambda name: not any(word in name.lower() for word in HELD_OUT), default=None)


def treat(
    script: str | os.PathLike[str],
    args: Sequence[str] = (),
    *,
    minutes: float = 10.0,
    trials: int | None = None,
    jobs: int = 0,
    seeds: int = 3,
    metric: str | None = None,
    metric_goal: str = "max",
    runner: str = "local",
    output: str | os.PathLike[str] | None = None,
    as_module: bool = False,
    in_place: bool = False,
    force: bool = False,
    settings: Settings | None = None,
    candidates: Propose = by_diagnosis,
    told: Callable[[Search], None] = lambda _: None,
    choose: Choose = first_held_out,
) -> Treatment:
    """Run a script as it is and under what may help it, and keep what does.

    Every trial runs the unmodified script in a fresh process that sees the current folder as it is; what it
    writes is thrown away, unless it may write `in_place`. `minutes` bounds the whole; `jobs` trials run at a
    time (0: one per core); `seeds` fresh seeds confirm the best. `metric` is a regular expression whose first
    group is the number to judge by; without it the training loss, or, where that measures nothing, the number
    that `choose` picks of those that the script prints. The prescription is written to `output` and the
    outcomes beside it, so that an interrupted treatment resumes. `candidates` proposes what to try, going by the
    diagnosis unless you know better; `told` is called after every trial. Without `settings` pyproject.toml's hold.

    Raises `ProbeError` if the script does not train, `LaunchError` if it cannot be started,
    `SettingsError` if there is no such runner. After Ctrl-C what is known so far is returned.
    """
    work = Script(os.fspath(script), tuple(args), as_module, os.getcwd(), in_place)
    goal = None if metric is None else metric_goal
    plan = TreatmentPlan(
        settings_of("gm.treat", settings), seeds, goal, force, _beside(output), candidates, told, choose
    )
    with runner_named(runner)(work, jobs, metric) as place:
        return _saved(_treated(place, Budget(60 * minutes, place.jobs, trials), plan), output)


@dataclass(frozen=True)
class TreatmentPlan:
    """What is to be tried, and how it is judged; `goal` is that of a metric, `store` the file of outcomes."""

    settings: Settings
    seeds: int
    goal: str | None
    force: bool
    store: Path | None
    propose: Propose
    told: Callable[[Search], None]
    choose: Choose


def _saved(treatment: Treatment, output: str | os.PathLike[str] | None) -> Treatment:
    if output is not None and treatment.prescription is not None:
        treatment.prescription.save(Path(output))
    return treatment


def _treated(place: Runner, budget: Budget, plan: TreatmentPlan) -> Treatment:
    """See what is wrong, and whether there is something to try; then search."""
    control = observed(place, Trial(observed=True, seconds=FIRST * budget.seconds))
    before = judge(recording_of(control), plan.settings)
    likely = plan.propose(before)
    reason = _reason(before, likely, plan.force)
    if reason is not None:
        return Treatment(before, reason=reason, seconds=budget.spent)
    unmeasured = why_no_measure(control, place.script) if plan.goal is None else None
    names = moving(control.printed) if unmeasured is not None else []
    control = at_trial_length(control, budget)
    if names or plan.goal is not None:
        control = _printed_as_far(place, budget, control)
    offered = [name for name in names if name in control.printed]
    measure = plan.choose(offered) if offered else None
    goal = goal_of(measure) if measure else plan.goal
    results = Results(plan.store, place.script, control)
    how: dict[str, Any] = {"seeds": plan.seeds, "goal": goal, "measure": measure or "", "told": plan.told}
    search = Search(place, budget, control, likely, results, **how)
    if unmeasured is not None and measure is None:
        return _healed(search, before, plan.settings, unmeasured)
    return replace(_treatment(search, before, plan.settings), unmeasured=unmeasured)


def _printed_as_far(place: Runner, budget: Budget, control: Outcome) -> Outcome:
    """A control that was cut, run anew over its length: what it had printed by then is not known."""
    if control.trial.steps is None:
        return control
    budget.started()
    again = observed(place, control.trial)
    return again if again.ended.well else control


def _healed(search: Search, before: Report, settings: Settings, why: Message) -> Treatment:
    """Look for what heals the diagnosis, where nothing else can be claimed."""
    known, found, interrupted = search.known, None, False
    try:
        found = healing(search, settings)
    except KeyboardInterrupt:
        interrupted = True
    chosen = ArmResult(known.arm(found[0]), effect(known.arm(found[0]), known.control, known.scale)) if found else None
    facts = (known.scale, known.steps, search.budget.used, search.budget.spent)
    after = found[1] if found else None
    return Treatment(before, known.control, (), chosen, after, *facts, interrupted=interrupted, unmeasured=why)


def _treatment(search: Search, before: Report, settings: Settings) -> Treatment:
    """Search, and look at the script once more under what was found; Ctrl-C ends it with what is known."""
    known, choice, after, interrupted = search.known, None, None, False
    try:
        choice = search.find()
        if choice is not None:
            after = judge(recording_of(observed(search.runner, search.last_look(choice))), settings)
    except ProbeError:
        pass  # the last look had no time left
    except KeyboardInterrupt:
        interrupted = True
        choice = choice or search.choice()
    lines = {one.key: _line(known, one) for one in known.candidates.values() if known.arm(one).runs}
    chosen = None
    if choice is not None:
        chosen = lines[choice.key] = _with_evidence(lines[choice.key], search)
    scale = known.scale
    ordered = sorted(lines.values(), key=lambda line: (not line.confirmed, line.arm.level(scale)))
    facts = (scale, known.steps, search.budget.used, search.budget.spent)
    return Treatment(before, known.control, tuple(ordered), chosen, after, *facts, interrupted=interrupted)


def _line(known: Ranking, candidate: Candidate) -> ArmResult:
    """A candidate's arm against the control: with fresh seeds, where it was run with any."""
    arm = known.arm(candidate)
    fresh = [seed for seed in arm.runs if seed > 0 and seed in known.control.runs]
    return ArmResult(arm, effect(arm, known.control, known.scale, fresh or [0]), bool(fresh), known.worsens(candidate))


def _with_evidence(line: ArmResult, search: Search) -> ArmResult:
    """The line with what it shows written into its prescription."""
    from torch import __version__ as torch_version

    found, runs = line.effect, line.arm.runs.values()
    steps = max((run.steps for run in runs), default=0)
    versions = {"gradmedic": __version__, "torch": str(torch_version), "script": version_of(search.runner.script)}
    size = (found.mean, found.low, found.high, search.known.scale.unit)
    evidence = Evidence(*size, len(found.pairs), found.rescued, steps, versions)
    return replace(line, arm=replace(line.arm, prescription=replace(line.arm.prescription, evidence=evidence)))


def _reason(before: Report, likely: Sequence[Candidate], force: bool) -> Message | None:
    """Why nothing is to be tried."""
    if before.verdict == "healthy" and not force:
        return Message("This script is healthy: there is nothing to treat.")
    if before.verdict == "unclear" and not before.failing and not force:
        return Message("Too little was seen of this script to say whether anything is wrong.")
    if before.verdict == "unclear" and not force and any(before.progress[s].state == "worse" for s in before.failing):
        return Message("No fault was found. The loss rises, which may be meant: if not, --force treats it.")
    return None if likely else Message("No remedy is known for what was found.")


def _beside(output: str | os.PathLike[str] | None) -> Path | None:
    return None if output is None else Path(output).with_suffix(".trials.jsonl").absolute()
