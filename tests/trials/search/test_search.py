"""The search: finds what helps, is not taken in by luck, prefers the simple, and keeps to its time."""

from collections.abc import Callable, Iterator
from math import log10
from pathlib import Path

import pytest
from support.arms import FakeRunner, falling, prescribed

from gradmedic.trials.budget import Budget
from gradmedic.trials.result_store import Results
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.search import Search
from gradmedic.trials.trial import RunEnd, Script, Trial
from gradmedic.trials.trial_length import at_trial_length

Names = tuple[str, ...]
World = Callable[[Trial], list[float] | RunEnd]
SCRIPT = Script("train.py")


def names(trial: Trial) -> Names:
    """The remedies of a trial, sorted."""
    return tuple(sorted(item.remedy for item in trial.prescription.items))


def world(ends: dict[Names, float], luck: float = 0.02) -> World:
    """Where the loss ends for each set of remedies, 1 for all others; seeds differ a little."""

    def losses(trial: Trial) -> list[float]:
        spread = 1 + luck * ((37 * trial.seed_shift + 11 * len(names(trial))) % 5 - 2)
        return falling(2.0, spread * ends.get(names(trial), 1.0))

    return losses


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the world as it was."""
    before = FakeRunner.world, FakeRunner.seconds, FakeRunner.prints
    yield
    FakeRunner.world, FakeRunner.seconds = staticmethod(before[0]), before[1]
    FakeRunner.prints = staticmethod(before[2])


def search(
    what: World,
    *remedies: str | Candidate,
    seconds: float = 1000.0,
    store: Path | None = None,
    trials: int | None = None,
) -> Search:
    """A search that has begun, among candidates in the order given."""
    FakeRunner.world = staticmethod(what)
    runner = FakeRunner(SCRIPT)
    budget = Budget(seconds, runner.jobs, trials, clock=lambda: FakeRunner.now)
    [control] = runner.run([Trial(observed=True)])
    control = at_trial_length(control, budget)
    candidates = [
        one if isinstance(one, Candidate) else Candidate(prescribed(one), order=order)
        for order, one in enumerate(remedies)
    ]
    return Search(runner, budget, control, candidates, Results(store, SCRIPT, control))


def found(made: Search) -> tuple[str, ...] | None:
    """The remedies that the search ends with."""
    choice = made.find()
    return None if choice is None else tuple(sorted(choice.remedies))


def test_finds_the_one_remedy_that_helps() -> None:
    assert found(search(world({("c",): 0.05}), "a", "b", "c", "d")) == ("c",)


def test_no_remedy_is_better_than_one_that_does_nothing() -> None:
    assert found(search(world({("a",): 1.2}), "a", "b", "c")) is None


def test_what_won_by_luck_with_the_scripts_own_seeds_is_not_believed() -> None:
    def lucky(trial: Trial) -> list[float]:
        return falling(2.0, 0.2 if names(trial) == ("a",) and trial.seed_shift == 0 else 1.0)

    assert found(search(lucky, "a", "b")) is None


def test_a_worse_remedy_that_holds_is_better_than_one_that_breaks_with_other_seeds() -> None:
    def fickle(trial: Trial) -> list[float] | RunEnd:
        if names(trial) == ("a",) and trial.seed_shift > 0:
            return RunEnd.CRASHED
        ends: dict[Names, float] = {("a",): 0.1, ("b",): 0.3}
        return falling(2.0, ends.get(names(trial), 1.0))

    assert found(search(fickle, "a", "b")) == ("b",)


def test_of_two_that_are_as_good_the_milder_one_is_chosen() -> None:
    deep = Candidate(prescribed("deep"), depth=2, order=0)
    mild = Candidate(prescribed("mild"), depth=0, order=1)
    assert found(search(world({("deep",): 0.050, ("mild",): 0.052, ("deep", "mild"): 0.05}), deep, mild)) == ("mild",)


def test_two_remedies_are_joined_where_both_are_needed() -> None:
    ends = {("a",): 0.5, ("b",): 0.5, ("a", "b"): 0.02}
    assert found(search(world(ends), "a", "b", "c")) == ("a", "b")


def test_three_remedies_are_joined_where_all_are_needed() -> None:
    ends = {("a",): 0.6, ("b",): 0.6, ("c",): 0.6, ("a", "b"): 0.2, ("a", "b", "c"): 0.004}
    assert found(search(world(ends), "a", "b", "c", "d")) == ("a", "b", "c")


def test_what_changes_the_network_is_given_before_what_changes_its_updates() -> None:
    swap, clip = Candidate(prescribed("swap"), depth=2), Candidate(prescribed("clip"), order=1)
    assert [item.remedy for item in clip.joined(swap).prescription.items] == ["swap", "clip"]
    assert swap.joined(clip).depth == 2


def test_a_run_that_breaks_without_a_remedy_can_be_rescued() -> None:
    def broken(trial: Trial) -> list[float]:
        return falling(2.0, 0.3) if names(trial) == ("b",) else [2.0, *[float("nan")] * 99]

    made = search(broken, "a", "b")
    assert found(made) == ("b",)


def test_a_remedy_that_refuses_is_passed_over() -> None:
    def refusing(trial: Trial) -> list[float] | RunEnd:
        return RunEnd.REFUSED if names(trial) == ("a",) else falling(2.0, 0.1 if names(trial) == ("b",) else 1.0)

    assert found(search(refusing, "a", "b")) == ("b",)


def test_a_mistake_is_mended_whatever_else_helps_more() -> None:
    mends, hides = Candidate(prescribed("mends"), mends=True), Candidate(prescribed("hides"), order=1)
    assert found(search(world({("mends",): 0.3, ("hides",): 0.01, ("hides", "mends"): 0.3}), mends, hides)) == (
        "mends",
    )
    assert found(search(world({("mends",): 1.0, ("hides",): 0.01}), mends, hides)) == ("hides",)
    together = {("mends",): 0.3, ("hides",): 0.1, ("hides", "mends"): 0.01}
    assert found(search(world(together), mends, hides)) == ("hides", "mends")


def test_what_is_remote_is_tried_only_where_nothing_nearer_helps() -> None:
    near, far = Candidate(prescribed("near")), Candidate(prescribed("far"), order=1, remote=True)
    unneeded = search(world({("near",): 0.05, ("far",): 0.01}), near, far)
    assert found(unneeded) == ("near",)
    assert ("far",) not in [names(trial) for trial in unneeded.runner.ran]  # type: ignore[attr-defined]
    assert found(search(world({("far",): 0.05}), near, far)) == ("far",)


@pytest.mark.parametrize("seconds", [30.0, 60.0, 120.0, 300.0])
@pytest.mark.parametrize("cost", [0.5, 3.0, 20.0])
def test_keeps_to_its_time(seconds: float, cost: float) -> None:
    FakeRunner.seconds = cost
    made = search(world({("r7",): 0.1}), *[f"r{i}" for i in range(30)], seconds=seconds)
    made.find()
    assert made.budget.spent <= max(1.1 * seconds, 2 * cost)


def test_keeps_to_a_number_of_trials() -> None:
    made = search(world({("r3",): 0.1}), *[f"r{i}" for i in range(30)], trials=12)
    made.find()
    assert len(made.runner.ran) <= 12  # type: ignore[attr-defined]


def test_screens_over_a_part_of_the_run_where_time_is_short() -> None:
    FakeRunner.seconds = 6.0
    made = search(world({("r9",): 0.05}), *[f"r{i}" for i in range(16)], seconds=90.0)
    assert found(made) == ("r9",)
    lengths = {trial.steps for trial in made.runner.ran}  # type: ignore[attr-defined]
    assert {50, None} <= lengths or {25, None} <= lengths


def test_a_script_that_takes_too_long_is_tried_over_its_first_steps() -> None:
    FakeRunner.seconds = 400.0
    made = search(world({("a",): 0.05}), "a", "b", seconds=600.0)
    assert made.known.steps is not None
    assert 40 <= made.known.steps < 100
    assert found(made) == ("a",)


def test_a_treatment_that_was_interrupted_resumes(tmp_path: Path) -> None:
    ends: dict[Names, float] = {("b",): 0.1}
    first = search(world(ends), "a", "b", store=tmp_path / "trials.jsonl")
    first.find()
    again = search(world(ends), "a", "b", store=tmp_path / "trials.jsonl")
    assert found(again) == ("b",)
    assert len(again.runner.ran) == 1  # type: ignore[attr-defined]  # its control
    changed = search(world(ends, luck=0.1), "a", "b", store=tmp_path / "trials.jsonl")
    changed.find()
    assert len(changed.runner.ran) == len(first.runner.ran)  # type: ignore[attr-defined]


def test_a_torn_line_of_the_store_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "trials.jsonl"
    search(world({}), "a", store=file).find()
    file.write_text(file.read_text()[:-40])
    made = search(world({}), "a", store=file)
    made.find()
    assert 1 < len(made.runner.ran) < 6  # type: ignore[attr-defined]


@pytest.mark.parametrize("best", [3e-3, 1.0, 2e4])
def test_a_dose_far_beyond_those_that_were_proposed_is_found(best: float) -> None:
    def matter_of_dose(trial: Trial) -> list[float]:
        doses = [item.dose.get("factor") for item in trial.prescription.items]
        miss = abs(log10(float(doses[0]) / best)) if doses and isinstance(doses[0], float) else 6.0
        return falling(2.0, 0.1 * 10 ** (0.2 * min(miss, 6.0)))

    likely = [Candidate(prescribed("rate", factor=factor), order=order) for order, factor in enumerate((1e-1, 1e-2))]
    choice = search(matter_of_dose, *likely).find()
    assert choice is not None
    [item] = choice.prescription.items
    assert 0.3 < float(item.dose["factor"]) / best < 3  # type: ignore[arg-type]


def test_a_loss_in_other_units_is_not_taken_for_a_better_one() -> None:
    def scaled(trial: Trial) -> list[float]:
        factor = 0.01 if "scale" in names(trial) else 1.0
        end = {("swap",): 0.7, ("scale", "swap"): 0.7}.get(names(trial), 1.0)
        return [factor * loss for loss in falling(2.0, end)]

    scale = Candidate(prescribed("scale"), redefines=frozenset({"scale"}))
    swap = Candidate(prescribed("swap"), order=1)
    assert found(search(scaled, scale)) is None
    assert found(search(scaled, scale, swap)) == ("swap",)


def test_a_loss_in_other_units_is_believed_where_it_falls_further() -> None:
    def scaled(trial: Trial) -> list[float]:
        return [0.01 * loss for loss in falling(2.0, 0.1)] if names(trial) == ("scale",) else falling(2.0, 1.0)

    made = search(scaled, Candidate(prescribed("scale"), redefines=frozenset({"scale"})), "other")
    assert found(made) == ("scale",)
    best = made.known.best
    assert best is not None
    assert best.runs[0].series["train.py:9"].losses[0] == pytest.approx(2.0)


def test_a_remedy_that_does_nothing_alone_may_be_what_another_one_lacks() -> None:
    def both_needed(trial: Trial) -> list[float]:
        if names(trial) == ("change-optimizer", "init-orthogonal"):
            return falling(2.0, 0.02)
        return [2.0, *[1e4] * 99] if "change-optimizer" in names(trial) else [2.0, *[2.0] * 99]

    clips = [f"clip-{way}" for way in ("norm", "value", "units", "adaptive")]
    assert found(
        search(both_needed, "change-optimizer", *clips, "weight-decay", "init-orthogonal", seconds=4000.0)
    ) == (
        "change-optimizer",
        "init-orthogonal",
    )


def test_nothing_more_is_tried_where_little_is_left_to_be_wished_for() -> None:
    made = search(world({("b",): 0.01}), "a", "b", "c", "d")
    assert found(made) == ("b",)
    assert max(len(trial.prescription.items) for trial in made.runner.ran) == 1  # type: ignore[attr-defined]
    assert ("d",) not in {names(trial) for trial in made.runner.ran}  # type: ignore[attr-defined]


def test_something_milder_is_tried_though_the_script_is_cured_already() -> None:
    deep, mild = Candidate(prescribed("deep"), depth=2), Candidate(prescribed("mild"), depth=0, order=1)
    assert found(search(world({("deep",): 0.01, ("mild",): 0.01}), deep, mild)) == ("mild",)


def test_a_run_that_no_longer_breaks_but_learns_nothing_is_no_cure() -> None:
    def tamed(trial: Trial) -> list[float]:
        return [2.0] * 100 if names(trial) == ("a",) else [2.0, *[float("nan")] * 99]

    assert found(search(tamed, "a", "b")) is None


def test_a_remedy_that_harms_alone_is_joined_at_the_dose_that_was_proposed_first() -> None:
    def tricky(trial: Trial) -> list[float]:
        rate = next((item.dose["rate"] for item in trial.prescription.items if "rate" in item.dose), None)
        if "init" in names(trial) and rate == 0.001:
            return falling(2.0, 0.05)
        if rate is not None:
            return falling(2.0, 1e6 if rate == 0.001 else 1e3)
        return [2.0] * 100

    likely = [Candidate(prescribed("optimizer", rate=rate), order=order) for order, rate in enumerate((0.001, 0.01))]
    assert found(search(tricky, *likely, Candidate(prescribed("init"), order=2))) == ("init", "optimizer")


def test_what_the_best_prescription_does_not_need_is_taken_out_again() -> None:
    """Joined with another remedy a dose helps that nobody has tried alone."""

    def matter_of_dose(trial: Trial) -> list[float]:
        dose = next((float(item.dose["by"]) for item in trial.prescription.items if "by" in item.dose), 0.0)  # type: ignore[arg-type]
        return falling(2.0, 1.0 if not 20 < dose < 50 and "b" not in names(trial) else 0.02 if dose > 20 else 0.6)

    a, b = Candidate(prescribed("a", by=10.0)), Candidate(prescribed("b"), order=1)
    assert found(search(matter_of_dose, a, b)) == ("a",)


def test_a_remedy_without_which_it_is_worse_is_not_taken_out() -> None:
    ends = {("a",): 0.6, ("b",): 0.6, ("c",): 0.6, ("a", "b"): 0.2, ("a", "b", "c"): 0.004}
    made = search(world(ends), "a", "b", "c", "d")
    best = made.known.candidates[next(iter(made.known.candidates))]
    assert found(made) == ("a", "b", "c")
    assert best.prescription.items


def test_what_betters_the_loss_and_worsens_what_the_script_prints_is_not_chosen() -> None:
    FakeRunner.prints = staticmethod(lambda trial: {"error": (9.0, 5.0 if "clip" in names(trial) else 1.0)})
    made = search(world({("clip",): 0.1, ("rate",): 0.4, ("clip", "rate"): 0.1}), "clip", "rate")
    assert found(made) == ("rate",)
    assert found(search(world({("clip",): 0.1}), "clip")) is None


def test_what_betters_both_is_chosen() -> None:
    FakeRunner.prints = staticmethod(lambda trial: {"error": (9.0, 0.5 if "clip" in names(trial) else 1.0)})
    assert found(search(world({("clip",): 0.1}), "clip")) == ("clip",)
