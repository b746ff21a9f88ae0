"""How long trials run: to the script's own end where time allows, else over its first steps."""

from dataclasses import replace

from gradmedic.budget import Budget
from gradmedic.trial import Ended, Outcome, Series

SHORTEST = 40
"""Steps below which nothing can be told of a treatment."""
NEEDED = 7
"""Trials of full length that one cannot do without: two controls, two prescriptions with two seeds, a last look."""
SHARE = 0.4
"""Share of the time that these may take."""


def at_trial_length(control: Outcome, budget: Budget) -> Outcome:
    """The control over the length that trials are to have; `trial.steps` is None where that is its own."""
    affordable = SHARE * budget.seconds * budget.jobs / NEEDED
    if control.ended is not Ended.TIMED_OUT and control.seconds <= affordable:
        return control
    trained = max(control.seconds - control.startup, 1e-9)
    share = max(0.0, affordable - control.startup) / trained
    return cut(control, min(control.steps - 1, max(SHORTEST, int(share * control.steps))))


def cut(control: Outcome, steps: int) -> Outcome:
    """What the outcome would have been, had the run been asked for that many steps only."""
    series = {name: _first(one, steps) for name, one in control.series.items()}
    seconds = control.startup + (control.seconds - control.startup) * steps / max(control.steps, 1)
    trial = replace(control.trial, steps=steps)
    return replace(control, trial=trial, ended=Ended.STOPPED, series=series, steps=steps, seconds=seconds)


def _first(series: Series, steps: int) -> Series:
    count = sum(step < steps for step in series.steps)
    norms = tuple((step, norm) for step, norm in series.norms if step < steps)
    return replace(series, steps=series.steps[:count], losses=series.losses[:count], norms=norms)
