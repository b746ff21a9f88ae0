"""Compare activations by training with each of them: a user's own script, or copies of a model."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from gradmedic.base.errors import ProbeError, SettingsError
from gradmedic.base.settings import Settings, nearest
from gradmedic.trials.arms import observed, recording_of
from gradmedic.trials.budget import Budget
from gradmedic.trials.comparison.comparison import RIGHT, SCRIPT, Comparison
from gradmedic.trials.comparison.swaps import canonical, hidden, swaps, untouched
from gradmedic.trials.comparison.tournament import LOOKING, Tournament, runs
from gradmedic.trials.in_process import InProcess, Make, Model
from gradmedic.trials.result_store import Results
from gradmedic.trials.runners import Runner, runner_named
from gradmedic.trials.trial import Script, Trial
from gradmedic.trials.trial_length import at_trial_length
from gradmedic.verbs.call_settings import settings_of

FIRST = 0.2
"""Share of the time that the first run may take; a longer one is ended, and the others are as long as it came."""
SHARE = 0.9
"""Share of the time that runs are planned to take."""
STARTS = {"right": (RIGHT,), "script": (SCRIPT,), "both": (SCRIPT, RIGHT)}
FEWEST = 2
"""Seeds, without which nothing can be told of chance."""


def compare(
    model: Model,
    data: Any,
    loss_fn: Callable[..., Tensor],
    *,
    activations: Sequence[str] | None = None,
    init: str = "right",
    steps: int = 200,
    seeds: int = 3,
    rates: Sequence[float] = (1.0,),
    optimizer: Make | Optimizer | None = None,
    minutes: float = 10.0,
    lang: str | None = None,
    told: Callable[[Tournament], None] = lambda _: None,
) -> Comparison:
    """Train copies of a model with each activation in its hidden places, and say which one trains best.

    `model` stays bit for bit as it is; or it is a function that makes one, called for every run.
    `data` is one batch or a loader; a batch that is a pair is taken as (inputs, target) and gives
    `loss_fn(model(inputs), target)`, any other gives `loss_fn(model, batch)`. `optimizer` makes one
    from parameters (`lambda p: SGD(p, lr=0.1)`) or is that of the model; without it Adam with 1e-3.

    `activations` are names as `gm.activation` knows them; without them nine usual ones. `init` says
    how the weights before them start: "right" for the activation, as in the "script", or "both".
    The first seed trains the weights as they are, each other one deals them out anew. With several
    `rates`, factors of the learning rate, each activation gets the one that is best for it with the
    first seed, and is judged by `seeds` others. Ctrl-C ends it with what is known so far.

    Raises `ProbeError` if there is nothing to swap, `ActivationError` for an unknown name.

    >>> import gradmedic as gm
    >>> print(gm.compare(net, (x, y), F.cross_entropy, activations=["relu", "gelu"]))  # doctest: +SKIP
    """
    wanted = _checked(activations, init, seeds, rates)
    with InProcess(model, data, loss_fn, optimizer) as place:
        plan = ComparisonPlan(seeds, minutes, steps, rates, lang=settings_of("gm.compare", lang=lang).lang)
        return _held(place, *wanted, plan, told)


@dataclass(frozen=True)
class ComparisonPlan:
    """How much is to be run, and how it is judged."""

    seeds: int
    minutes: float
    steps: int | None
    rates: Sequence[float] = (1.0,)
    goal: str | None = None
    store: Path | None = None
    lang: str = "en"


def compare_script(
    script: str | os.PathLike[str],
    args: Sequence[str] = (),
    *,
    activations: Sequence[str] | None = None,
    init: str = "right",
    minutes: float = 10.0,
    jobs: int = 0,
    seeds: int = 3,
    rates: Sequence[float] = (1.0,),
    steps: int | None = None,
    metric: str | None = None,
    metric_goal: str = "max",
    runner: str = "local",
    output: str | os.PathLike[str] | None = None,
    as_module: bool = False,
    in_place: bool = False,
    settings: Settings | None = None,
    told: Callable[[Tournament], None] = lambda _: None,
) -> Comparison:
    """Run a script as it is and with each activation in its hidden places, and say which one trains best.

    Every run is the unmodified script in a fresh process that sees the current folder as it is; what it writes
    is thrown away, unless it may write `in_place`. `minutes` bounds the whole: where that is too short, runs
    are as long as it allows, and all the same. `jobs` runs at a time (0: one per core); `seeds` runs of each,
    paired. With several `rates`, factors of the learning rate, each activation gets the one that is best for it
    with the script's own seeds, and is judged by others. `metric` is a regular expression whose first group is
    the number to judge by, as last printed; without it the training loss decides. Outcomes are kept beside
    `output`, so that a comparison that was interrupted resumes. `told` is called after every run.

    Raises `ProbeError` if the script does not train or has nothing to swap, `ActivationError` for an
    unknown name, `LaunchError` if it cannot be started. After Ctrl-C what is known so far is returned.
    """
    wanted = _checked(activations, init, seeds, rates)
    work = Script(os.fspath(script), tuple(args), as_module, os.getcwd(), in_place)
    store = None if output is None else Path(output).with_suffix(".trials.jsonl").absolute()
    lang = settings_of("gm.compare_script", settings).lang
    plan = ComparisonPlan(seeds, minutes, steps, rates, None if metric is None else metric_goal, store, lang)
    with runner_named(runner)(work, jobs, metric) as place:
        return _held(place, *wanted, plan, told)


def _checked(
    names: Sequence[str] | None, init: str, seeds: int, rates: Sequence[float]
) -> tuple[Sequence[str] | None, Sequence[str]]:
    if init not in STARTS:
        raise SettingsError(f"init is one of {', '.join(STARTS)}, not {init!r}{nearest(init, STARTS)}")
    if seeds < FEWEST:
        raise SettingsError(f"seeds has to be {FEWEST} at the least: with one nothing can be told of chance")
    if not rates or min(rates) <= 0:
        raise SettingsError("rates are factors of the learning rate, such as 1,0.3,0.1")
    return (None if names is None else canonical(names)), STARTS[init]


def _held(
    place: Runner,
    names: Sequence[str] | None,
    starts: Sequence[str],
    plan: ComparisonPlan,
    told: Callable[[Tournament], None],
) -> Comparison:
    """See what can be swapped; then run everything."""
    budget = Budget(60 * plan.minutes, place.jobs)
    first = Trial(steps=plan.steps, observed=True, seconds=FIRST * budget.seconds, looking=LOOKING)
    control = observed(place, first)
    found = hidden(recording_of(control))
    chosen = [untouched(found), *swaps(found, names, starts)]
    if len(chosen) < 2:
        raise ProbeError(f"there is nothing to compare: the network has {chosen[0].activation} already; name others")
    control = at_trial_length(control, budget, runs(chosen, plan.seeds, plan.rates), SHARE)
    results = Results(plan.store, place.script, control)
    how: dict[str, Any] = {"goal": plan.goal, "rates": plan.rates, "lang": plan.lang, "told": told}
    return Tournament(place, budget, control, results, found, chosen, plan.seeds, **how).run()
