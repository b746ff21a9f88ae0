"""The verb: diagnosis, search and prescription in one call, here on trials that nothing runs."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.arms import FakeRunner, falling, prescribed

from gradmedic.base.errors import ProbeError, SettingsError
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import site, sketch
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials import runners
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.treatment_result import Treatment
from gradmedic.trials.trial import RunEnd, Trial
from gradmedic.verbs.treat import first_held_out
from gradmedic.verbs.treat import treat as real_treat

SICK, HEALTHY, STUCK = VanishingGradient.SICK[0], VanishingGradient.HEALTHY[1], VanishingGradient.HEALTHY[0]


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fake trials of a sick script, for which there are three candidates."""
    monkeypatch.setattr(runners, "all_runners", lambda: {"fake": FakeRunner, "local": FakeRunner})
    monkeypatch.setattr(FakeRunner, "recording", SICK)
    monkeypatch.setattr(FakeRunner, "world", staticmethod(helped_by("b")))
    return iter(())


def treat(script: str, **how: Any) -> Treatment:
    """Treat with one of three candidates."""
    likely = [Candidate(prescribed(name), order=order) for order, name in enumerate("abc")]
    return real_treat(script, **{"candidates": lambda _: likely, **how})


def helped_by(name: str):  # type: ignore[no-untyped-def]
    """A world in which one remedy helps."""

    def world(trial: Trial) -> list[float]:
        helps = any(item.remedy == name for item in trial.prescription.items)
        return falling(2.0, (0.1 if helps else 1.0) * (1 + 0.01 * trial.seed_shift))

    return world


def test_what_helps_is_prescribed_with_its_evidence(tmp_path: Path) -> None:
    treatment = treat("train.py", output=tmp_path / "prescription.toml")
    assert treatment.prescription is not None
    assert [item.remedy for item in treatment.prescription.items] == ["b"]
    written = Prescription.load(tmp_path / "prescription.toml")
    assert written.items == treatment.prescription.items
    evidence = tomllib.loads((tmp_path / "prescription.toml").read_text())["evidence"]
    # A decade lies between the two ends; the tail that is scored begins a little before them.
    assert evidence["low"] < evidence["effect"] == pytest.approx(0.93, abs=0.01)
    assert evidence["seeds"] == 3
    assert evidence["versions"]["torch"]
    assert "b helps by 0.93 decades of loss" in str(treatment.verdict)
    assert treatment.lines[0] is treatment.chosen
    assert treatment.after is not None


def test_no_prescription_is_written_where_nothing_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "world", staticmethod(helped_by("nobody")))
    treatment = treat("train.py", output=tmp_path / "prescription.toml")
    assert treatment.prescription is None
    assert not (tmp_path / "prescription.toml").exists()
    assert "No remedy is better than none: of 6 that were tried" in str(treatment.verdict)


def test_nothing_is_tried_on_a_healthy_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(FakeRunner, "recording", HEALTHY)
    treatment = treat("train.py", output=tmp_path / "prescription.toml")
    assert (treatment.before.worst or Severity.NOTE) <= Severity.NOTE
    assert "there is nothing to treat" in str(treatment.verdict)
    assert treatment.trials == 1
    assert not list(tmp_path.iterdir())


def test_a_script_that_does_not_learn_is_treated_without_a_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "recording", STUCK)
    treatment = treat("train.py")
    assert treatment.before.verdict == "unclear"
    assert treatment.prescription is not None


def test_a_loss_that_rises_without_a_fault_is_left_alone_unless_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    risen = sketch([site("fc", "linear", {"grad_rms": 0.1})], losses=[1 + 0.05 * step for step in range(40)])
    monkeypatch.setattr(FakeRunner, "recording", risen)
    assert "--force treats it" in str(treat("train.py").verdict)
    assert treat("train.py", force=True).prescription is not None


def test_a_healthy_script_is_treated_if_the_user_insists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "recording", HEALTHY)
    assert treat("train.py", force=True).prescription is not None


def test_nothing_is_tried_where_no_remedy_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No remedy is known" in str(treat("train.py", candidates=lambda _: []).verdict)


def test_a_script_that_does_not_train_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "recording", Recording())
    with pytest.raises(ProbeError, match="did not train"):
        treat("train.py")


def test_a_runner_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="'lokal'; did you mean 'local'"):
        treat("train.py", runner="lokal")


@pytest.mark.parametrize("when", range(1, 11))
def test_an_interrupted_treatment_keeps_what_it_knows(
    when: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    count = iter(range(100))

    def interrupted(trial: Trial) -> list[float] | RunEnd:
        if next(count) == when:
            raise KeyboardInterrupt
        found: list[float] = helped_by("b")(trial)
        return found

    monkeypatch.setattr(FakeRunner, "world", staticmethod(interrupted))
    treatment = treat("train.py", output=tmp_path / "prescription.toml")
    assert treatment.interrupted
    assert (treatment.prescription is not None) == (when > 2)  # the control, a, b
    assert (tmp_path / "prescription.toml").exists() == (when > 2)


def test_one_is_told_after_every_trial() -> None:
    told: list[int] = []
    treatment = treat("train.py", told=lambda search: told.append(search.budget.used))
    assert len(told) == treatment.trials - 2  # but for the first and the last look


def surrogate(trial: Trial) -> list[float]:
    """A loss that goes below zero, and further under every remedy."""
    return [loss - (2.5 if trial.prescription.items else 1.5) for loss in falling(2.0, 1.0)]


def test_a_loss_that_is_no_measure_proves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(FakeRunner, "world", staticmethod(surrogate))
    treatment = treat("train.py", output=tmp_path / "prescription.toml")  # no recording is free of faults here
    assert treatment.prescription is None
    assert "below zero" in str(treatment.verdict)
    assert "--metric" in str(treatment.verdict)


def test_of_a_surrogate_only_what_heals_the_diagnosis_is_prescribed(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Trial] = []

    def world(trial: Trial) -> list[float]:
        runs.append(trial)
        healed = any(item.remedy == "b" for item in trial.prescription.items)
        monkeypatch.setattr(FakeRunner, "recording", HEALTHY if healed else SICK)
        return surrogate(trial)

    monkeypatch.setattr(FakeRunner, "world", staticmethod(world))
    treatment = treat("train.py")
    assert treatment.prescription is not None
    assert [item.remedy for item in treatment.prescription.items] == ["b"]
    assert treatment.prescription.evidence is None
    assert "b heals the diagnosis. Whether the network does better is not proved" in str(treatment.verdict)
    assert "helps by" not in str(treatment)
    assert {trial.seed_shift for trial in runs if trial.prescription.items} == {0, 1}


def test_a_surrogate_is_judged_by_what_the_script_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    def prints(trial: Trial) -> dict[str, tuple[float, float]]:
        ends = {"a": 300.0, "b": 40.0}
        cost = ends.get(trial.prescription.items[0].remedy if trial.prescription.items else "", 200.0)
        return {"cost": (210.0, cost + trial.seed_shift), "policy loss": (1.0, 0.0), "score": (1.0, 1.0)}

    monkeypatch.setattr(FakeRunner, "world", staticmethod(surrogate))
    monkeypatch.setattr(FakeRunner, "prints", staticmethod(prints))
    asked: list[list[str]] = []

    def choose(names: Sequence[str]) -> str:
        asked.append([*names])
        return names[0]

    treatment = treat("train.py", choose=choose)
    assert asked == [["cost"]]
    assert treatment.prescription is not None
    assert [item.remedy for item in treatment.prescription.items] == ["b"]
    assert "helps by 160.00 of the metric" in str(treatment.verdict)
    assert "Judged by cost as the script prints it." in str(treatment)


def test_a_remedy_that_worsens_what_is_printed_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def prints(trial: Trial) -> dict[str, tuple[float, float]]:
        return {"error": (9.0, 5.0 if any(item.remedy == "b" for item in trial.prescription.items) else 1.0)}

    monkeypatch.setattr(FakeRunner, "prints", staticmethod(prints))
    treatment = treat("train.py")
    assert treatment.prescription is None
    assert "makes worse what the script prints: error 1 → 5. It is not prescribed." in str(treatment.verdict)


def test_of_the_numbers_that_are_printed_a_held_out_one_is_taken() -> None:
    assert first_held_out(["acc", "val acc", "error"]) == "val acc"
    assert first_held_out(["acc", "error"]) == "acc"
    assert first_held_out([]) is None
