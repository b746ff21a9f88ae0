"""What has been run of one script: its arms, filled by trials as long as there is time for them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from gradmedic.base.errors import ProbeError
from gradmedic.recording.records import Recording
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.budget import Budget, Reserve
from gradmedic.trials.paired_effect import Arm
from gradmedic.trials.result_store import Results
from gradmedic.trials.runners import Runner
from gradmedic.trials.scoring import Scale, scale_of
from gradmedic.trials.trial import Outcome, Trial, identity

NOTHING = Prescription()
LAST_LOOK = Reserve()


class Trials:
    """The arms of one script. `steps` is the full length of a trial, None for the script's own end.

    `first` is the control with the script's own seeds. `measure` is the number of those that the script prints
    which is judged by, `kept` says as what an outcome is to be kept, `told` is called after every trial.
    """

    def __init__(
        self,
        runner: Runner,
        budget: Budget,
        control: Outcome,
        results: Results,
        goal: str | None = None,
        measure: str = "",
        told: Callable[[], None] = lambda: None,
        kept: Callable[[Outcome], Outcome] = lambda outcome: outcome,
    ) -> None:
        self.runner = runner
        self.budget = budget
        self.first = control
        self.steps = control.trial.steps
        self.results = results
        self.goal = goal
        self.measure = measure
        self.told = told
        self.kept = kept
        self.arms = {identity(NOTHING): Arm(NOTHING, {0: control})}
        self._scale: Scale | None = None
        budget.started()
        budget.paid(control, whole=True)

    @property
    def control(self) -> Arm:
        """The script as it is."""
        return self.arms[identity(NOTHING)]

    @property
    def scale(self) -> Scale:
        """The scale that is fair to all that has been run."""
        if self._scale is None:
            runs = [run for arm in self.arms.values() for run in arm.runs.values()]
            self._scale = scale_of([*self.control.runs.values()], runs, self.goal, self.measure)
        return self._scale

    def arm(self, prescription: Prescription) -> Arm:
        """What is known of a prescription."""
        return self.arms.get(identity(prescription), Arm(prescription))

    def run(self, trials: Iterable[Trial], reserve: Reserve = LAST_LOOK, share: float = 1.0) -> None:
        """Run trials as long as that leaves the reserve; what the store knows is not run again."""
        for outcome in self.runner.run(self._affordable(trials, reserve, share)):
            self.budget.paid(outcome, whole=outcome.trial.steps == self.steps)
            self.results.add(outcome)
            self._note(outcome)

    def looked_at(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """The outcomes of runs that are read whole, as long as there is time; they count for no arm."""
        for outcome in self.runner.run(self._short(trials, LAST_LOOK, share=1.0)):
            yield outcome
            self.told()

    def glimpsed(self, trials: Iterable[Trial], reserve: Reserve) -> Iterator[Outcome]:
        """The outcomes of runs of a few steps, as long as that leaves the reserve; they count for no arm."""
        yield from self.runner.run(self._short(trials, reserve))

    def _short(self, trials: Iterable[Trial], reserve: Reserve, share: float = 0.0) -> Iterator[Trial]:
        for trial in trials:
            if self.budget.affords(reserve, share=share):
                self.budget.started()
                yield self.limited(trial)

    def limited(self, trial: Trial) -> Trial:
        """A trial with the time and the memory that it may take.

        That is twice what the control held, and a gigabyte for what remedies keep.
        """
        return replace(trial, seconds=self.budget.longest(self.first), memory=2 * self.first.memory + 1e9)

    def _affordable(self, trials: Iterable[Trial], reserve: Reserve, share: float) -> Iterator[Trial]:
        for trial in trials:
            if self._has(trial):
                continue
            known = self.results.known(trial)
            if known is not None:
                self._note(known)
            elif self.budget.affords(reserve, share=share):
                self.budget.started()
                yield self.limited(trial)

    def _has(self, trial: Trial) -> bool:
        run = self.arm(trial.prescription).runs.get(trial.seed_shift)
        return run is not None and run.trial.key == trial.key

    def _note(self, outcome: Outcome) -> None:
        arm = self.arm(outcome.trial.prescription)
        key = identity(arm.prescription)
        kept = replace(self.kept(outcome), recording=None)  # of many runs that would be too much
        self.arms[key] = replace(arm, runs={**arm.runs, outcome.trial.seed_shift: kept})
        self._scale = None
        self.told()


def observed(place: Runner, trial: Trial) -> Outcome:
    """The outcome of one run with a full recording."""
    [outcome] = place.run([trial])
    return outcome


def recording_of(outcome: Outcome) -> Recording:
    """What was recorded; raises `ProbeError` if nothing was, with the last words of the script."""
    if outcome.recording is None or not outcome.recording.vitals:
        words = f": {outcome.error}" if outcome.error else ""
        raise ProbeError(f"the script did not train while gradmedic watched{words}")
    return outcome.recording
