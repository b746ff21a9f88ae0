"""What is worth a trial: first what the diagnosis asks for, and last what it does not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gradmedic.base.errors import GradmedicWarning
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.rules.non_finite import NonFinite
from gradmedic.diagnosis.rules.stale_gradients import StaleGradients
from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.recording.records import Recording
from gradmedic.treatment.prescription import Prescription
from gradmedic.treatment.remedies.model.swap_activation import SwapActivation
from gradmedic.trials.search.candidates import by_diagnosis

SICK, STUCK = judge(VanishingGradient.SICK[0]), judge(VanishingGradient.HEALTHY[0])


def test_what_the_diagnosis_asks_for_comes_first_and_all_else_is_remote() -> None:
    found = by_diagnosis(SICK)
    near = [one for one in found if not one.remote]
    assert 3 < len(near) < len(found)
    assert found[: len(near)] == near
    assert {"swap-activation"} in [one.remedies for one in near]
    assert {"clip-adaptive"} in [one.remedies for one in found if one.remote]
    assert [one.order for one in found] == [*range(len(found))]


def test_without_a_diagnosis_nothing_is_remote() -> None:
    assert not STUCK.findings
    found = by_diagnosis(STUCK)
    assert len(found) > 20
    assert not any(one.remote for one in found)
    assert len({next(iter(one.remedies)) for one in found[:10]}) > 7  # one dose of each, before others of the first


def test_only_what_takes_the_mistake_away_mends() -> None:
    assert not any(one.mends for one in by_diagnosis(SICK))  # no mistake in the program
    found = by_diagnosis(judge(StaleGradients.SICK[0]))
    assert {remedy for one in found if one.mends for remedy in one.remedies} == {"zero-gradients"}


def test_what_is_wrong_itself_is_changed_before_something_is_added_to_it() -> None:
    wrong = replace(judge(NonFinite.SICK[0]).findings[0], evidence={"reason": "log-of-negative"})
    first = by_diagnosis(replace(SICK, findings=(wrong,)))[0]
    assert first.remedies == {"change-output"}


def test_no_prescription_is_proposed_twice() -> None:
    found = by_diagnosis(SICK)
    assert len({one.key for one in found}) == len(found)


def test_two_together_are_remote_only_if_both_are() -> None:
    near, *_, far = by_diagnosis(SICK)
    assert not near.joined(far).remote
    assert far.joined(replace(far, prescription=Prescription())).remote


def test_a_remedy_that_cannot_tell_its_dose_is_warned_of_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(finding: Finding, recording: Recording) -> Iterator[SwapActivation]:
        raise ZeroDivisionError("no steps")

    monkeypatch.setattr(SwapActivation, "doses", broken)
    with pytest.warns(GradmedicWarning, match=r"swap-activation cannot tell its dose for .*: ZeroDivisionError\('no"):
        found = by_diagnosis(SICK)
    assert found
    assert not [one for one in found if "swap-activation" in one.remedies]
