"""Looking ahead: a remedy that heals the first passes is tried before one that does not."""

from collections.abc import Iterator

import pytest
from support.arms import FakeRunner, falling, prescribed

from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.recording.records import Recording
from gradmedic.trials.budget import Budget
from gradmedic.trials.result_store import Results
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.quick_check import STEPS
from gradmedic.trials.search.search import Search
from gradmedic.trials.trial import Outcome, Script, Trial

SICK, HEALED = VanishingGradient.SICK[0], VanishingGradient.HEALTHY[1]
SCRIPT = Script("train.py")
MANY = [f"r{i}" for i in range(20)]


class Seeing(FakeRunner):
    """Only `heals` leaves nothing to be seen in the first passes; looks are told apart by their length."""

    heals = "r17"
    ill: Recording = SICK

    def run(self, trials: object) -> Iterator[Outcome]:
        for trial in trials:  # type: ignore[attr-defined]
            healed = any(item.remedy == self.heals for item in trial.prescription.items)
            type(self).recording = HEALED if healed else self.ill
            yield from super().run([trial])


def helps(trial: Trial) -> list[float]:
    """The loss falls under what heals, and stays under all others."""
    return falling(2.0, 0.2 if any(item.remedy == Seeing.heals for item in trial.prescription.items) else 1.9)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the fakes as they were."""
    monkeypatch.setattr(Seeing, "world", staticmethod(helps))
    monkeypatch.setattr(Seeing, "seconds", 6.0)
    monkeypatch.setattr(Seeing, "recording", Recording())


def search(seconds: float, trials: int | None = None) -> Search:
    """A search that has begun, among twenty remedies."""
    runner = Seeing(SCRIPT)
    budget = Budget(seconds, runner.jobs, trials, clock=lambda: FakeRunner.now)
    [control] = runner.run([Trial()])
    candidates = [Candidate(prescribed(name), order=order) for order, name in enumerate(MANY)]
    return Search(runner, budget, control, candidates, Results(None, SCRIPT, control))


def ran(made: Search) -> list[tuple[int | str | None, ...]]:
    """Length and remedy of each run after the first, in order."""
    runs = made.runner.ran[1:]  # type: ignore[attr-defined]
    return [(trial.steps, *(item.remedy for item in trial.prescription.items)) for trial in runs]


def test_what_heals_the_first_passes_is_run_first_where_time_is_short() -> None:
    made = search(seconds=60.0)
    made.screen()
    looks, runs = [run for run in ran(made) if run[0] == STEPS], [run for run in ran(made) if run[0] != STEPS]
    assert looks == [(STEPS,), *((STEPS, name) for name in MANY)]
    assert [name for _, name in runs][:3] == ["r17", "r0", "r1"]


def test_looks_are_no_runs_of_an_arm() -> None:
    made = search(seconds=60.0)
    made.screen()
    lengths = [run.trial.steps for arm in made.trials.arms.values() for run in arm.runs.values()]
    assert STEPS not in lengths


@pytest.mark.parametrize(("seconds", "trials"), [(1000.0, None), (60.0, 30)])
def test_nobody_looks_where_all_can_be_run_or_runs_are_counted(seconds: float, trials: int | None) -> None:
    made = search(seconds, trials)
    made.screen()
    assert not [run for run in ran(made) if run[0] == STEPS]


def test_where_nothing_is_wrong_from_the_start_one_look_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seeing, "ill", HEALED)
    made = search(seconds=60.0)
    made.screen()
    assert [run for run in ran(made) if run[0] == STEPS] == [(STEPS,)]
    assert [name for _, *names in ran(made) for name in names][:2] == ["r0", "r1"]
