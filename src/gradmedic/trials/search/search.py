"""Find the prescription that helps: screen, refine, combine, confirm, and then prefer the simplest.

1. *Screen.* Each candidate is run once, with the script's own seeds, against the control. Where time
   is short, over the first part of the run only, those first under which the first passes are healthy;
   the better third then runs its whole length. What helps against diseases that were not found is
   screened only where nothing nearer helps: a diagnosis may be wrong.
2. *Refine.* Of the best two remedies, and in the end of the best prescription, more and less is tried.
3. *Combine.* The best three remedies are tried with every other one, the best two with a third.
4. *Ablate.* What the best prescription does not need is taken out again.
5. *Confirm.* The best few are run with fresh seeds, each against a control with the same seeds. What
   won the screening by luck loses it here: the interval that is reported comes from these pairs.
6. *Choose.* Of those that are as good as the best, the simplest and mildest.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from gradmedic.trials.arms import NOTHING, Trials
from gradmedic.trials.budget import Budget, Reserve
from gradmedic.trials.result_store import Results
from gradmedic.trials.runners import Runner
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.combine import in_twos, with_one_more
from gradmedic.trials.search.quick_check import QuickCheck
from gradmedic.trials.search.ranking import OwnUnits, Ranking
from gradmedic.trials.search.refine import FURTHEST, STRIDE, doses, moved
from gradmedic.trials.trial import Outcome, Trial
from gradmedic.trials.trial_length import SHORTEST

SHARES = (1.0, 0.5, 0.25)
"""Parts of the run that candidates may be screened over."""
ENOUGH = 16
"""Candidates that should be screened, even if that means over a part of the run only."""
FOR_MORE = 0.4
"""Share of the time that screening leaves for refining and combining."""
GO_ON = 6
"""Candidates that run their whole length at the least, after they were screened over a part of it."""
REFINED = 2
"""Remedies whose doses are refined before they are combined."""
FINALISTS = 3
"""Prescriptions that are confirmed with fresh seeds."""


class Search:
    """Runs trials, stage by stage, and keeps to its time; `control` is the run with the script's own seeds."""

    def __init__(
        self,
        runner: Runner,
        budget: Budget,
        control: Outcome,
        candidates: Iterable[Candidate],
        results: Results,
        *,
        seeds: int = 3,
        goal: str | None = None,
        measure: str = "",
        told: Callable[["Search"], None] = lambda _: None,
    ) -> None:
        self.runner = runner
        self.budget = budget
        self.seeds = seeds
        self.finalists: list[Candidate] = []
        known = {one.key: one for one in candidates}
        self.trials = Trials(
            *(runner, budget, control, results, goal, measure), partial(told, self), OwnUnits(control, known)
        )
        self.known = Ranking(self.trials, known)

    def find(self) -> Candidate | None:
        """Do all of it; what is to be prescribed, or None where nothing is better than nothing."""
        self.screen()
        if not self.known.helping([0]):
            self.screen(remote=True)
        if not self.known.is_cured:
            for promising in self.known.partners()[:REFINED]:
                self.refine(promising)
            self.combine()
            for best in self.known.ranked(self.known.steps)[:1]:
                self.refine(best)
        self.ablate()
        self.confirm()
        return self.choice()

    def choice(self) -> Candidate | None:
        """What would be prescribed, by what is known so far."""
        return self.known.choice(self.finalists)

    def last_look(self, candidate: Candidate) -> Trial:
        """The trial in which a chosen candidate is looked at with all that gradmedic can see."""
        self.budget.started()
        return self.trials.limited(Trial(candidate.prescription, 0, self.known.steps, observed=True))

    # ── the stages ──────────────────────────────────────────────────────────────────────────

    def screen(self, remote: bool = False) -> None:
        """Run every candidate once, near or remote ones, as long as there is time for what comes after."""
        later = self.reserve
        reserve = replace(later, seconds=(1 - FOR_MORE) * later.seconds + FOR_MORE * self.budget.left)
        candidates = [one for one in self.known.candidates.values() if one.remote is remote]
        share = self._share(len(candidates), reserve.seconds)
        steps = self._part(share)
        ordered = self._in_order(candidates, share, reserve)
        wanted = (one for one in ordered if self.known.may_do_better(one))
        self.trials.run((Trial(one.prescription, 0, steps) for one in wanted), reserve, share)
        if steps != self.known.steps:
            best = self.known.ranked(steps)[: max(GO_ON, len(candidates) // 3)]
            self.trials.run((Trial(one.prescription, 0, self.known.steps) for one in best), self.reserve)

    def _in_order(self, candidates: list[Candidate], share: float, reserve: Reserve) -> list[Candidate]:
        """The candidates as the diagnosis has put them; where not all can run to the end, as a look ahead does."""
        ahead, count = QuickCheck(self.trials, reserve), len(candidates)
        short = self.budget.cost(count) > self.budget.left - reserve.seconds
        return ahead.healing_first(candidates) if short and ahead.is_cheap(count, share) else candidates

    def refine(self, candidate: Candidate) -> None:
        """Try more and less of each dose of what looks best; where that is better, ever more of it."""
        for dose in doses(candidate):
            ways = [(moved(candidate, dose, factor), factor) for factor in (STRIDE, 1 / STRIDE)]
            self._try(one for one, _ in ways)
            ahead, factor = min(ways, key=lambda way: self.known.level(way[0]))
            while self.known.level(ahead) < self.known.level(candidate):
                candidate, factor = ahead, factor**2
                if not 1 / FURTHEST <= factor <= FURTHEST:
                    break
                ahead = moved(candidate, dose, factor)
                self._try([ahead])

    def combine(self) -> None:
        """Run the best remedies together, and the best two with a third."""
        partners = self.known.partners()
        self._try(in_twos(partners))
        best = next(iter(self.known.ranked(self.known.steps)), None)
        if best is not None and len(best.prescription.items) == 2 and not self.known.is_cured:
            self._try(with_one_more(best, partners))

    def ablate(self) -> None:
        """Leave out one remedy after the other of the best prescription, and go on from what is as good."""
        best = next(iter(self.known.ranked(self.known.steps)), None)
        while best is not None and len(best.prescription.items) > 1:
            self._try(fewer := [*self.known.with_one_less(best)])
            known = [self.known.candidates[one.key] for one in fewer]
            good = self.known.as_good_as_the_best([best, *known])
            best = good[0] if good[0] in known else None

    def confirm(self) -> None:
        """Run the best few with fresh seeds, each against its control."""
        self.finalists = self.known.finalists(self._places())
        prescriptions = [NOTHING, *(one.prescription for one in self.finalists)]
        for seed in range(1, self.seeds + 1):
            enough = seed <= 2 or self.budget.left > self.budget.cost(len(prescriptions) + self.budget.jobs)
            if self.finalists and enough:
                self.trials.run(Trial(one, seed, self.known.steps) for one in prescriptions)

    def _try(self, joined: Iterable[Candidate]) -> None:
        new = [one for one in joined if one.key not in self.known.candidates]
        self.known.candidates |= {one.key: one for one in new}
        self.trials.run((Trial(one.prescription, 0, self.known.steps) for one in new), self.reserve)

    # ── time ────────────────────────────────────────────────────────────────────────────────

    @property
    def reserve(self) -> Reserve:
        """What confirmation and a last look at the treated run will take."""
        trials = (FINALISTS + 1) * min(self.seeds, 2)
        seconds = self.budget.cost(trials + 2 * self.budget.jobs)
        return Reserve(min(seconds, 0.3 * self.budget.seconds), min(trials + 1, (self.budget.trials or 0) // 2))

    def _share(self, candidates: int, reserve: float) -> float:
        """The part of the run over which enough candidates can be screened."""
        wanted = min(candidates, ENOUGH)
        room = self.budget.left - reserve
        fits = [share for share in SHARES if self.budget.cost(wanted, share) <= room]
        share = fits[0] if fits else SHARES[-1]
        return share if self.budget.cost(1, share) < 0.7 * self.budget.cost(1) else 1.0

    def _part(self, share: float) -> int | None:
        steps = round(share * (self.known.steps or self.trials.first.steps))
        return steps if share < 1 and steps >= SHORTEST else self.known.steps

    def _places(self) -> int:
        """How many prescriptions there is time to confirm with two seeds each."""
        each = max(self.budget.cost(1), 1e-9)
        trials = self.budget.left / each - self.budget.jobs  # but for the last look
        return max(1, min(FINALISTS, int(trials / min(self.seeds, 2)) - 1))
