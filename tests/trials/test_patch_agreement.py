"""Whether a patched script did what the trial did, by the losses of both."""

from support.arms import falling, outcome, series

from gradmedic.trials.patch_agreement import Degree, agreement
from gradmedic.trials.trial import RunEnd

CONTROL = outcome(falling(2.0, 1.9))


def test_the_same_losses_in_other_lines_are_the_same() -> None:
    trial = outcome(falling(2.0, 0.1))
    patched = outcome(series={"copy.py:12": series([loss * 1.0001 for loss in falling(2.0, 0.1)])})
    found = agreement([(patched, trial)], CONTROL)
    assert found.degree is Degree.STEPS
    assert found.holds
    assert "step by step: loss 0.124 against 0.124" in str(found.sentence)


def test_other_luck_is_no_difference() -> None:
    found = agreement([(outcome(falling(2.0, 0.12)), outcome(falling(2.0, 0.1)))], CONTROL)
    assert (found.degree, found.holds) == (Degree.END, True)


def test_what_a_trial_has_won_is_the_measure() -> None:
    """Of two decades that were won a quarter may be luck; of a tenth of a decade it may not."""
    trial, other = outcome(falling(2.0, 0.01)), outcome(falling(2.0, 0.02))
    assert agreement([(other, trial)], CONTROL).holds
    assert not agreement([(other, trial)], outcome(falling(2.0, 0.012))).holds


def test_a_patch_that_does_nothing_differs() -> None:
    found = agreement([(CONTROL, outcome(falling(2.0, 0.1)))], CONTROL)
    assert (found.degree, found.holds) == (Degree.APART, False)
    assert "differs from the trial: loss 1.91 against 0.124" in str(found.sentence)


def test_a_patch_that_breaks_the_script_is_told_with_its_last_words() -> None:
    patched = outcome([2.0], ended=RunEnd.CRASHED, error="NameError: name 'net' is not defined")
    found = agreement([(patched, outcome(falling(2.0, 0.1)))], CONTROL)
    assert not found.holds
    assert str(found.sentence).endswith("crashed against 0.124. NameError: name 'net' is not defined")


def test_losses_that_are_lost_in_both_are_the_same() -> None:
    lost = outcome([1.0, float("nan"), float("nan")])
    assert agreement([(lost, lost)], CONTROL).degree is Degree.STEPS
    assert not agreement([(outcome([1.0, 0.9, 0.8]), lost)], CONTROL).holds


def test_a_patch_with_fewer_streams_is_no_match() -> None:
    trial = outcome(series={"a": series([1.0]), "b": series([2.0])})
    assert agreement([(outcome([1.0]), trial)], trial).degree is Degree.BROKEN


def test_a_patch_that_does_more_is_told_as_that() -> None:
    found = agreement([(outcome(falling(2.0, 0.001)), outcome(falling(2.0, 0.5)))], CONTROL)
    assert (found.degree, found.holds) == (Degree.BETTER, True)


def test_runs_that_part_this_way_and_that_are_parted_by_luck() -> None:
    good, bad = outcome(falling(2.0, 0.02)), outcome(falling(2.0, 0.8))
    assert agreement([(bad, good)], CONTROL).degree is Degree.APART
    assert agreement([(bad, good), (good, bad)], CONTROL).degree is Degree.END
    assert agreement([(bad, good), (good, outcome(falling(2.0, 0.021)))], CONTROL).degree is Degree.LUCK
    assert agreement([(bad, good), (bad, good)], CONTROL).degree is Degree.APART
