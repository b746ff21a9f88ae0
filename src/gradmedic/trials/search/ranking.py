"""How the candidates of a search stand, by what has been run of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf

from gradmedic.trials.arms import Trials
from gradmedic.trials.loss_units import Rates, exchanged, rates
from gradmedic.trials.paired_effect import Arm, as_good, effect, gain
from gradmedic.trials.scoring import Scale, score
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.trial import Outcome, RunEnd, identity
from gradmedic.trials.worsened import Worsened, worsened

CURED = 1.5
"""Decades below its control and the untrained network at which a run leaves little to be wished for."""


class OwnUnits:
    """The units of the script's own loss, for the losses of runs whose remedies have changed them."""

    def __init__(self, control: Outcome, candidates: Mapping[str, Candidate]) -> None:
        self._control = control
        self._candidates = candidates
        self._rates: dict[frozenset[str], Rates] = {}

    def __call__(self, outcome: Outcome) -> Outcome:
        """An outcome with its losses in these units."""
        candidate = self._candidates.get(identity(outcome.trial.prescription))
        redefines = candidate.redefines if candidate is not None else frozenset[str]()
        if candidate is not None and redefines == candidate.remedies and outcome.trial.seed_shift == 0:
            self._rates.setdefault(redefines, rates(self._control, outcome))
        known = [rate for names, rate in self._rates.items() if names <= redefines]
        return exchanged(outcome, known) if known else outcome


class Ranking:
    """The candidates for one script. `steps` is the full length of a trial, None for the script's own end."""

    def __init__(self, trials: Trials, candidates: dict[str, Candidate]) -> None:
        self.trials = trials
        self.steps = trials.steps
        self.candidates = candidates

    @property
    def control(self) -> Arm:
        """The script as it is."""
        return self.trials.control

    @property
    def scale(self) -> Scale:
        """The scale that is fair to all that has been run."""
        return self.trials.scale

    def arm(self, candidate: Candidate) -> Arm:
        """What is known of a candidate."""
        return self.trials.arm(candidate.prescription)

    # ── how they stand ──────────────────────────────────────────────────────────────────────

    def level(self, candidate: Candidate) -> float:
        """How badly the script ends under a candidate with its own seeds; `inf` where that was not tried."""
        run = self.arm(candidate).runs.get(0)
        return score(run, self.scale) if run is not None and _reached(run, self.steps) else inf

    def ranked(self, steps: int | None = None, seeds: Iterable[int] = (0,)) -> list[Candidate]:
        """The candidates that were run for that long with these seeds, the best first."""
        seeds, levels = [*seeds], {}
        for candidate in self.candidates.values():
            arm = self._with(candidate, seeds)
            if len(arm.runs) == len(seeds) and all(_reached(run, steps) for run in arm.runs.values()):
                levels[candidate] = arm.level(self.scale, steps)
        return sorted(levels, key=lambda one: (levels[one], one.simplicity))

    @property
    def best(self) -> Arm | None:
        """The arm that looks best so far."""
        ranked = self.ranked(self.steps)
        return self.arm(ranked[0]) if ranked else None

    @property
    def is_cured(self) -> bool:
        """True where what was found leaves little to be wished for; that a run no longer breaks does not say so."""
        if self.scale.goal is not None:
            return False  # a metric has no decades
        return self.best is not None and CURED < gain(self.best, self.control, self.scale) < inf

    def may_do_better(self, candidate: Candidate) -> bool:
        """True unless the script is cured already, by something as mild that mends as much as the candidate."""
        best = self.ranked(self.steps)[:1] if self.is_cured else []
        return not any(one.depth <= candidate.depth and one.mends >= candidate.mends for one in best)

    def partners(self) -> list[Candidate]:
        """One dose of each remedy that can be given, the best remedy first: the one that did best.

        Of a remedy that does not help alone it is the one that was proposed first: which of its doses does
        the least harm says nothing about which will do good together with another remedy.
        """
        best: dict[frozenset[str], Candidate] = {}
        for one in self.ranked(self.steps):
            if len(one.remedies) == 1 and self.arm(one).runs[0].ended is not RunEnd.REFUSED:
                helps = gain(self.arm(one), self.control, self.scale) > 0
                best.setdefault(one.remedies, one if helps else self._first_dose(one))
        return [*best.values()]

    def with_one_less(self, candidate: Candidate) -> Iterator[Candidate]:
        """A prescription without each of its remedies in turn."""
        items = candidate.prescription.items
        parts = {name: one for one in self.candidates.values() if len(one.remedies) == 1 for name in one.remedies}
        for place in range(len(items)):
            rest = items[:place] + items[place + 1 :]
            known = [parts[item.remedy] for item in rest if item.remedy in parts]
            yield replace(
                candidate,
                prescription=replace(candidate.prescription, items=rest),
                depth=max((one.depth for one in known), default=candidate.depth),
                order=sum(one.order for one in known),
                redefines=candidate.redefines & {item.remedy for item in rest},
                mends=any(one.mends for one in known),
            )

    def _first_dose(self, candidate: Candidate) -> Candidate:
        doses = [one for one in self.candidates.values() if one.remedies == candidate.remedies]
        return min(doses, key=lambda one: one.order)

    def helping(self, seeds: list[int]) -> list[Candidate]:
        """The candidates that are better than nothing with these seeds, by more than chance or each time."""
        found = []
        for one in self.ranked(self.steps, seeds) if seeds else ():
            shown = effect(self.arm(one), self.control, self.scale, seeds)
            learns = gain(self._with(one, seeds), self.control, self.scale) > 0
            found += [one] if learns and (shown.likely or shown.proved) else []
        return found

    def worsens(self, candidate: Candidate) -> Worsened | None:
        """What the script prints that ends worse under a candidate, as far as it was run; None where nothing does."""
        arm = self.arm(candidate)
        fresh = [seed for seed in arm.runs if seed > 0]
        return worsened(arm, self.control, fresh, bool(candidate.redefines))

    def _with(self, candidate: Candidate, seeds: list[int]) -> Arm:
        arm = self.arm(candidate)
        return replace(arm, runs={seed: run for seed, run in arm.runs.items() if seed in seeds})

    def as_good_as_the_best(self, ranked: list[Candidate]) -> list[Candidate]:
        """Of candidates, the best first, those that are as good as that one, the simplest first."""
        best = self.arm(ranked[0])
        good = [one for one in ranked if as_good(self.arm(one), best, self.control, self.scale)]
        return sorted(good or ranked[:1], key=lambda one: one.simplicity)

    def finalists(self, most: int) -> list[Candidate]:
        """The best, the simplest that seem as good, and the next best."""
        ranked = _mending([one for one in self.helping([0]) if self.worsens(one) is None])
        return [*dict.fromkeys([ranked[0], *self.as_good_as_the_best(ranked)[:2], *ranked])][:most] if ranked else []

    def choice(self, finalists: list[Candidate]) -> Candidate | None:
        """The simplest of those that are as good as the best with fresh seeds, if that is better than nothing.

        A mistake in the program is mended, where that helps, whatever else would help more. What betters the
        loss and worsens what the script prints is no help.

        As long as none of them was run with fresh seeds, the script's own have to do.
        """
        fresh = [seed for seed in self.control.runs if seed > 0]
        tried = bool(fresh and finalists) and all(set(fresh) <= self.arm(one).runs.keys() for one in finalists)
        helping = self.helping(fresh) or ([] if tried else self.helping([0]))
        ranked = _mending([one for one in helping if self.worsens(one) is None])
        return self.as_good_as_the_best(ranked)[0] if ranked else None


def _mending(ranked: list[Candidate]) -> list[Candidate]:
    """Those that take a mistake away, where there are such; else all."""
    return [one for one in ranked if one.mends] or ranked


def _reached(run: Outcome, steps: int | None) -> bool:
    """True if a run was meant to be at least that long."""
    return run.trial.steps is None or (steps is not None and run.trial.steps >= steps)
