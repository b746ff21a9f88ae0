"""Outcomes and arms drawn by hand: the data that a runner would bring, without running anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

from gradmedic.recording.records import Recording
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.trials.paired_effect import Arm
from gradmedic.trials.run_summary import Checkup
from gradmedic.trials.runners import Runner
from gradmedic.trials.trial import LossSeries, Outcome, RunEnd, Script, Trial

NOTHING = Prescription()


def prescribed(*remedies: str, **dose: Any) -> Prescription:
    """A prescription of remedies by name, the last one at a dose."""
    *first, last = remedies
    return Prescription((*(Item(name) for name in first), Item(last, dose)))


def series(losses: Sequence[float], *, norms: Sequence[float] = (), contends: bool = False) -> LossSeries:
    """One backward pass per step."""
    return LossSeries(tuple(range(len(losses))), tuple(losses), tuple(enumerate(norms)), contends)


def outcome(
    losses: Sequence[float] = (),
    *,
    prescription: Prescription = NOTHING,
    seed: int = 0,
    ended: RunEnd = RunEnd.FINISHED,
    steps: int | None = None,
    **told: Any,
) -> Outcome:
    """The outcome of a run with one stream."""
    told.setdefault("series", {"train.py:9": series(losses)})
    trial = Trial(prescription, seed, steps)
    return Outcome(trial, ended, steps=len(losses), seconds=2.0, startup=1.0, memory=1e6, **told)


def arm(*runs: Sequence[float], prescription: Prescription = NOTHING, first_seed: int = 0, **told: Any) -> Arm:
    """An arm with one run per seed."""
    made = enumerate(runs, first_seed)
    return Arm(prescription, {seed: outcome(run, prescription=prescription, seed=seed, **told) for seed, run in made})


def falling(start: float, end: float, steps: int = 100) -> list[float]:
    """A loss that falls by the same share at every step."""
    return [start * (end / start) ** (step / (steps - 1)) for step in range(steps)]


class FakeRunner(Runner):
    """Runs nothing: `world` says what a trial's loss is, or how it ends; the clock moves as if it had been run."""

    name = "fake"
    world: ClassVar[Callable[[Trial], Sequence[float] | RunEnd]] = staticmethod(lambda _: falling(2, 1))
    recording: ClassVar[Recording] = Recording()
    prints: ClassVar[Callable[[Trial], dict[str, tuple[float, float]]]] = staticmethod(lambda _: {})
    seconds: ClassVar[float] = 2.0
    now: ClassVar[float] = 0.0

    def __init__(self, script: Script, jobs: int = 0, metric: str | None = None) -> None:
        super().__init__(script, jobs or 2, metric)
        self.ran: list[Trial] = []
        FakeRunner.now = 0.0

    def open(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """There is nothing to close."""

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """What the world says of each trial."""
        for trial in trials:
            self.ran.append(trial)
            found = type(self).world(trial)
            losses, ended = ((), found) if isinstance(found, RunEnd) else (found, RunEnd.FINISHED)
            losses = losses[: trial.steps]
            ended = RunEnd.STOPPED if trial.steps is not None and ended is RunEnd.FINISHED else ended
            seconds = self.seconds * len(losses) / 100 if losses else self.seconds
            FakeRunner.now += seconds / self.jobs
            recording = self.recording if trial.observed else None
            streams = {"train.py:9": series(losses)}
            told: dict[str, Any] = {
                "steps": len(losses),
                "seconds": seconds,
                "startup": 0.0,
                "memory": 1e6,
                "recording": recording,
                "printed": type(self).prints(trial),
                "checkup": Checkup.of(recording) if recording is not None else None,
            }
            yield Outcome(trial, ended, streams, **told)
