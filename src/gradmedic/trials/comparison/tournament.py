"""Every activation is run, seed by seed, so that whoever ends it early has whole rounds to compare.

Where several learning rates are given, each activation is first run with all of them and the
script's own seeds. It keeps the one that ends best; other seeds then judge.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.arms import NOTHING, Trials
from gradmedic.trials.budget import Budget
from gradmedic.trials.comparison.comparison import SCRIPT, Comparison, Entrant, standings
from gradmedic.trials.comparison.swaps import Hidden, Swap, swapped_for_itself
from gradmedic.trials.result_store import Results
from gradmedic.trials.runners import Runner
from gradmedic.trials.scoring import Scale
from gradmedic.trials.trial import Outcome, Trial

LOOKING = 0.1
"""Share of a run's time that looking into it may take; all runs alike, so that ratios of time are fair."""


class Tournament:
    """The runs of one comparison. `told` is called after every one of them."""

    def __init__(
        self,
        runner: Runner,
        budget: Budget,
        control: Outcome,
        results: Results,
        hidden: Hidden,
        swaps: Sequence[Swap],
        seeds: int,
        *,
        goal: str | None = None,
        rates: Sequence[float] = (1.0,),
        lang: str = "en",
        told: Callable[["Tournament"], None] = lambda _: None,
    ) -> None:
        self.budget = budget
        self.trials = Trials(runner, budget, control, results, goal, told=partial(told, self))
        self.hidden = hidden
        self.swaps = swaps
        self.seeds = seeds
        self.rates = rates
        self.lang = lang
        self.interrupted = False

    @property
    def wanted(self) -> int:
        """Runs that are to be made."""
        return runs(self.swaps, self.seeds, self.rates)

    @property
    def done(self) -> int:
        """Runs that are known."""
        return sum(len(arm.runs) for arm in self.trials.arms.values())

    @property
    def first(self) -> int:
        """The seed from which on runs judge: those before it have been used to choose a learning rate."""
        return 0 if tuple(self.rates) == (1.0,) else 1

    def run(self) -> Comparison:
        """Run all of them, or as many as there is time for; Ctrl-C ends it with what is known."""
        try:
            if self.first:
                self._run(self._everybody(one for swap in self.swaps for one in self._variants(swap)), 0)
            for seed in range(self.first, self.first + self.seeds):
                self._run(self._everybody(self._chosen()), seed)
        except KeyboardInterrupt:
            self.interrupted = True
        return self.found

    def _run(self, prescriptions: Iterable[Prescription], seed: int) -> None:
        steps = self.trials.steps
        self.trials.run(Trial(one, seed, steps, observed=True, looking=LOOKING) for one in prescriptions)

    def _everybody(self, swaps: Iterable[Swap]) -> Iterator[Prescription]:
        """The script as it is, its own activation swapped for itself, and the others."""
        yield from (NOTHING, swapped_for_itself(self.hidden), *(swap.prescription for swap in swaps))

    def _variants(self, swap: Swap) -> list[Swap]:
        """The same with each of the learning rates; the script as it is is run in any case."""
        return [swap.at(rate) for rate in self.rates if swap.prescription.items or rate != 1.0]

    def _chosen(self) -> list[Swap]:
        """Each activation with the learning rate that ended best."""
        scale = self.trials.scale
        return [self._best(swap, scale) for swap in self.swaps if self._variants(swap)]

    def _best(self, swap: Swap, scale: Scale) -> Swap:
        if not self.first:
            return swap
        ran = [one for one in self._variants(swap) if 0 in self.trials.arm(one.prescription).runs]
        return min(ran, key=lambda one: self._on_choosing(one, scale), default=swap)

    def _on_choosing(self, swap: Swap, scale: Scale) -> float:
        return self.trials.arm(swap.prescription).scores(scale)[0]

    @property
    def found(self) -> Comparison:
        """What is known so far."""
        scale, own = self.trials.scale, self.hidden.own
        itself = Entrant(" + ".join(own), SCRIPT, self.trials.control)
        others = [Entrant(s.activation, s.start, self.trials.arm(s.prescription), s.rate) for s in self._chosen()]
        return Comparison(
            self.trials.runner.script.target,
            own,
            self.hidden.spots,
            len(self.hidden.sites),
            standings(self._judged([itself, *others]), scale),
            scale,
            self.trials.steps,
            self._pace(swapped_for_itself(self.hidden)),
            self.done,
            self.budget.spent,
            self.interrupted,
            self.lang,
        )

    def _judged(self, entrants: list[Entrant]) -> list[Entrant]:
        """The entrants with the runs that judge; before there are any, with those that chose."""
        fresh = {seed for one in entrants[1:] for seed in one.arm.runs if seed >= self.first}
        if not self.first or not fresh or not fresh & entrants[0].arm.runs.keys():
            return entrants
        kept = [{seed: run for seed, run in one.arm.runs.items() if seed >= self.first} for one in entrants]
        return [replace(one, arm=replace(one.arm, runs=runs)) for one, runs in zip(entrants, kept, strict=True)]

    def _pace(self, prescription: Prescription) -> float | None:
        """Seconds per step with the network's own activation, called as swapped ones are, in the quietest run."""
        ran = self.trials.arm(prescription).runs or self.trials.control.runs
        told = [run.checkup.pace for run in ran.values() if run.checkup is not None and run.checkup.pace is not None]
        return min(told, default=None)


def runs(swaps: Sequence[Swap], seeds: int, rates: Sequence[float]) -> int:
    """The swaps, the script as it is among them, and its activation swapped for itself; and the choice of rates."""
    if tuple(rates) == (1.0,):
        return seeds * (len(swaps) + 1)
    return len(swaps) * len(rates) + 2 + seeds * (len(swaps) + 2)
