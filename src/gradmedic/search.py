"""Find the prescription that helps: screen, refine, combine, confirm, and then prefer the simplest.

1. *Screen.* Each candidate is run once, with the script's own seeds, against the control. Where time
   is short, over the first part of the run only; the better third then runs its whole length.
2. *Refine.* Of the best two remedies, and in the end of the best prescription, more and less is tried.
3. *Combine.* The best three remedies are tried with every other one, the best two with a third.
4. *Confirm.* The best few are run with fresh seeds, each against a control with the same seeds. What
   won the screening by luck loses it here: the interval that is reported comes from these pairs.
5. *Choose.* Of those that are as good as the best, the simplest and mildest.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from math import inf

from gradmedic.budget import Budget, Reserve
from gradmedic.candidates import Candidate
from gradmedic.joining import in_twos, with_one_more
from gradmedic.length import SHORTEST
from gradmedic.pairs import Arm, as_good, effect, gain
from gradmedic.prescription import Prescription
from gradmedic.refining import FURTHEST, STRIDE, doses, moved
from gradmedic.results import Results
from gradmedic.runners import Runner
from gradmedic.scoring import Scale, score
from gradmedic.trial import Ended, Outcome, Trial, identity
from gradmedic.trials import NOTHING, Trials
from gradmedic.units import Rates, exchanged, rates

SHARES = (1.0, 0.5, 0.25)
"""Parts of the run that candidates may be screened over."""
ENOUGH = 16
"""Candidates that should be screened, even if that means over a part of the run only."""
FOR_MORE = 0.4
"""Share of the time that screening leaves for refining and combining."""
GO_ON = 6
"""Candidates that run their whole length at the least, after they were screened over a part of it."""
CURED = 1.5
"""Decades below its control and the untrained network at which a run leaves little to be wished for."""
REFINED = 2
"""Remedies whose doses are refined before they are combined."""
FINALISTS = 3
"""Prescriptions that are confirmed with fresh seeds."""


class Search:
    """The arms of one treatment. `steps` is the full length of a trial, None for the script's own end."""

    def __init__(
        self,
        runner: Runner,
        budget: Budget,
        *,
        seeds: int = 3,
        goal: str | None = None,
        told: Callable[["Search"], None] = lambda _: None,
    ) -> None:
        self.runner = runner
        self.budget = budget
        self.seeds = seeds
        self.goal = goal
        self.told = told
        self.candidates: dict[str, Candidate] = {}
        self.finalists: list[Candidate] = []
        self.rates: dict[frozenset[str], Rates] = {}

    def begin(self, control: Outcome, candidates: Iterable[Candidate], results: Results) -> None:
        """Take up what is known: the control with the script's own seeds, and what may help."""
        told = partial(self.told, self)
        self.trials = Trials(self.runner, self.budget, control, results, self.goal, told, self._in_own_units)
        self.first = control
        self.steps = control.trial.steps
        self.candidates = {one.key: one for one in candidates}

    # ── what is known ───────────────────────────────────────────────────────────────────────

    @property
    def control(self) -> Arm:
        """The script as it is."""
        return self.trials.control

    @property
    def scale(self) -> Scale:
        """The scale that is fair to all that has been run."""
        return self.trials.scale

    @property
    def is_cured(self) -> bool:
        """True where what was found leaves little to be wished for."""
        return self.best is not None and gain(self.best, self.control, self.scale) > CURED

    def arm(self, candidate: Candidate) -> Arm:
        """What is known of a candidate."""
        return self.trials.arm(candidate.prescription)

    @property
    def best(self) -> Arm | None:
        """The arm that looks best so far."""
        ranked = self.ranked(self.steps)
        return self.arm(ranked[0]) if ranked else None

    def ranked(self, steps: int | None = None, seeds: Iterable[int] = (0,)) -> list[Candidate]:
        """The candidates that were run for that long with these seeds, the best first."""
        scale, seeds = self.scale, [*seeds]
        levels = {}
        for candidate in self.candidates.values():
            runs = {seed: run for seed, run in self.arm(candidate).runs.items() if seed in seeds}
            if len(runs) == len(seeds) and all(_reached(run, steps) for run in runs.values()):
                levels[candidate] = Arm(candidate.prescription, runs).level(scale, steps)
        return sorted(levels, key=lambda one: (levels[one], one.simplicity))

    # ── what is done ────────────────────────────────────────────────────────────────────────

    def _in_own_units(self, outcome: Outcome) -> Outcome:
        """The outcome with its losses in the units of the script's own loss, if its remedies have changed them."""
        candidate = self.candidates.get(identity(outcome.trial.prescription))
        redefines = candidate.redefines if candidate is not None else frozenset[str]()
        if candidate is not None and redefines == candidate.remedies and outcome.trial.seed_shift == 0:
            self.rates.setdefault(redefines, rates(self.first, outcome))
        known = [rate for names, rate in self.rates.items() if names <= redefines]
        return exchanged(outcome, known) if known else outcome

    def find(self) -> Candidate | None:
        """Do all of it."""
        self.screen()
        if not self.is_cured:
            for promising in self._partners()[:REFINED]:
                self.refine(promising)
            self.combine()
            for best in self.ranked(self.steps)[:1]:
                self.refine(best)
        self.confirm()
        return self.choice()

    def last_look(self, candidate: Candidate) -> Trial:
        """The trial in which a chosen candidate is looked at with all that gradmedic can see."""
        self.budget.started()
        return self.trials.limited(Trial(candidate.prescription, 0, self.steps, observed=True))

    def screen(self) -> None:
        """Run every candidate once, as long as there is time for what comes after."""
        later = self.reserve
        reserve = replace(later, seconds=(1 - FOR_MORE) * later.seconds + FOR_MORE * self.budget.left)
        share = self._share(reserve.seconds)
        steps = self._part(share)
        self.trials.run((Trial(one, 0, steps) for one in self._prescriptions()), reserve, share)
        if steps != self.steps:
            best = self.ranked(steps)[: max(GO_ON, len(self.candidates) // 3)]
            self.trials.run((Trial(one.prescription, 0, self.steps) for one in best), self.reserve)

    def refine(self, candidate: Candidate) -> None:
        """Try more and less of each dose of what looks best; where that is better, ever more of it."""
        for dose in doses(candidate):
            ways = [(moved(candidate, dose, factor), factor) for factor in (STRIDE, 1 / STRIDE)]
            self._try(one for one, _ in ways)
            ahead, factor = min(ways, key=lambda way: self._level(way[0]))
            while self._level(ahead) < self._level(candidate):
                candidate, factor = ahead, factor**2
                if not 1 / FURTHEST <= factor <= FURTHEST:
                    break
                ahead = moved(candidate, dose, factor)
                self._try([ahead])

    def combine(self) -> None:
        """Run the best remedies together, and the best two with a third."""
        partners = self._partners()
        self._try(in_twos(partners))
        best = next(iter(self.ranked(self.steps)), None)
        if best is not None and len(best.prescription.items) == 2 and not self.is_cured:
            self._try(with_one_more(best, partners))

    def confirm(self) -> None:
        """Run the best few with fresh seeds, each against its control."""
        self.finalists = self._finalists()
        for seed in range(1, self.seeds + 1):
            prescriptions = [NOTHING, *(one.prescription for one in self.finalists)]
            if seed > 2 and self.budget.left < self.budget.cost(len(prescriptions) + self.budget.jobs):
                break
            self.trials.run(Trial(one, seed, self.steps) for one in prescriptions)

    def choice(self) -> Candidate | None:
        """The simplest of those that are as good as the best, if that is better than nothing."""
        fresh = [seed for seed in self.control.runs if seed > 0]
        for seeds in (fresh, [0]):
            ranked = [one for one in self.ranked(self.steps, seeds) if seeds and self._helps(one, seeds)]
            if ranked:
                best, scale = self.arm(ranked[0]), self.scale
                good = [one for one in ranked if as_good(self.arm(one), best, self.control, scale)]
                return min(good or ranked[:1], key=_simplicity)
            if seeds and self.finalists and all(self._ran(one, seeds) for one in self.finalists):
                return None  # they were tried with fresh seeds, and did not hold
        return None

    # ── how ─────────────────────────────────────────────────────────────────────────────────

    @property
    def reserve(self) -> Reserve:
        """What confirmation and a last look at the treated run will take."""
        trials = (FINALISTS + 1) * min(self.seeds, 2)
        seconds = self.budget.cost(trials + 2 * self.budget.jobs)
        return Reserve(min(seconds, 0.4 * self.budget.seconds), min(trials + 1, (self.budget.trials or 0) // 2))

    def _share(self, reserve: float) -> float:
        """The part of the run over which enough candidates can be screened."""
        wanted = min(len(self.candidates), ENOUGH)
        room = self.budget.left - reserve
        fits = [share for share in SHARES if self.budget.cost(wanted, share) <= room]
        share = fits[0] if fits else SHARES[-1]
        return share if self.budget.cost(1, share) < 0.7 * self.budget.cost(1) else 1.0

    def _part(self, share: float) -> int | None:
        steps = round(share * (self.steps or self.first.steps))
        return steps if share < 1 and steps >= SHORTEST else self.steps

    def _prescriptions(self) -> list[Prescription]:
        return [one.prescription for one in self.candidates.values()]

    def _partners(self) -> list[Candidate]:
        """The best dose of each remedy that can be given, the best remedy first."""
        best: dict[frozenset[str], Candidate] = {}
        for one in self.ranked(self.steps):
            if len(one.remedies) == 1 and self.arm(one).runs[0].ended is not Ended.REFUSED:
                best.setdefault(one.remedies, one)
        return [*best.values()]

    def _try(self, joined: Iterable[Candidate]) -> None:
        new = [one for one in joined if one.key not in self.candidates]
        self.candidates |= {one.key: one for one in new}
        self.trials.run((Trial(one.prescription, 0, self.steps) for one in new), self.reserve)

    def _finalists(self) -> list[Candidate]:
        """The best, the simplest that seem as good, and the next best."""
        ranked = [one for one in self.ranked(self.steps) if self._helps(one, [0])]
        if not ranked:
            return []
        best, scale = self.arm(ranked[0]), self.scale
        good = sorted((one for one in ranked if as_good(self.arm(one), best, self.control, scale)), key=_simplicity)
        return [*dict.fromkeys([ranked[0], *good[:2], *ranked])][:FINALISTS]

    def _level(self, candidate: Candidate) -> float:
        """How badly the script ends under it with its own seeds; `inf` where that was not tried."""
        run = self.arm(candidate).runs.get(0)
        return score(run, self.scale) if run is not None and _reached(run, self.steps) else inf

    def _helps(self, candidate: Candidate, seeds: list[int]) -> bool:
        """True if a candidate is better than nothing by more than chance, or at least each time."""
        found = effect(self.arm(candidate), self.control, self.scale, seeds)
        return found.likely or found.proved

    def _ran(self, candidate: Candidate, seeds: list[int]) -> bool:
        return all(seed in self.arm(candidate).runs for seed in seeds)


def _simplicity(candidate: Candidate) -> tuple[int, int, int]:
    return candidate.simplicity


def _reached(run: Outcome, steps: int | None) -> bool:
    """True if a run was meant to be at least that long."""
    return run.trial.steps is None or (steps is not None and run.trial.steps >= steps)
