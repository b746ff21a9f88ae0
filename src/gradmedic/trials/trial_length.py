"""How long trials run: to the script's own end where time allows, else over its first steps."""

from dataclasses import replace
from typing import Any

from gradmedic.trials.budget import Budget
from gradmedic.trials.trial import LossSeries, Outcome, RunEnd

SHORTEST = 40
"""Steps below which nothing can be told of a treatment."""
NEEDED = 7
"""Trials of full length that one cannot do without: two controls, two prescriptions with two seeds, a last look."""
SHARE = 0.4
"""Share of the time that these may take."""
PART, MOST = 0.25, 0.8
"""Where the machine is slow: the part of a run below which little of a fault shows, and the share of the time that
trials of that length may take instead. Fewer candidates are tried then, each of them long enough."""


def at_trial_length(control: Outcome, budget: Budget, needed: int = NEEDED, share: float = SHARE) -> Outcome:
    """The control over the length that trials are to have; `trial.steps` is None where that is its own.

    As long as `share` of the time is enough for `needed` trials, or as close to that as makes sense.
    """
    affordable = share * budget.seconds * budget.jobs / needed
    if control.ended is not RunEnd.TIMED_OUT and control.seconds <= affordable:
        return control
    trained = max(control.seconds - control.startup, 1e-9)
    part = max(0.0, affordable - control.startup) / trained
    most = max(0.0, affordable * MOST / share - control.startup) / trained
    wanted = max(part, min(PART, most)) * control.steps
    return cut(control, min(control.steps - 1, max(SHORTEST, int(wanted))))


def cut(control: Outcome, steps: int) -> Outcome:
    """What the outcome would have been, had the run been asked for that many steps only."""
    series = {name: _first(one, steps) for name, one in control.series.items()}
    seconds = control.startup + (control.seconds - control.startup) * steps / max(control.steps, 1)
    trial, checkup = replace(control.trial, steps=steps), control.checkup
    if checkup is not None:
        checkup = replace(checkup, looks=tuple(look for look in checkup.looks if look.step < steps))
    told: dict[str, Any] = {"series": series, "steps": steps, "seconds": seconds, "checkup": checkup}
    told |= {"printed": {}}  # which of it was printed by then is not known
    return replace(control, trial=trial, ended=RunEnd.STOPPED, **told)


def _first(series: LossSeries, steps: int) -> LossSeries:
    count = sum(step < steps for step in series.steps)
    norms = tuple((step, norm) for step, norm in series.norms if step < steps)
    return replace(series, steps=series.steps[:count], losses=series.losses[:count], norms=norms)
