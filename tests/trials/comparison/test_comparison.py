"""Ranking: who was proved better stands before, who cannot be told apart shares a place, who broke has none."""

import json
import random
from math import isinf
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.arms import falling, outcome
from support.contests import DRAWN, compared, entrant, healthy, ran, sigmoids

from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.trials.comparison.comparison import RIGHT, SCRIPT, Entrant, as_loss, standings
from gradmedic.trials.paired_effect import Arm
from gradmedic.trials.scoring import Scale, scale_of
from gradmedic.trials.trial import RunEnd

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/comparison.schema.json").read_text())

START = Prescription((Item("init-critical", {"activation": "tanh"}),))
ends = st.lists(st.floats(0.01, 2.0) | st.sampled_from([RunEnd.CRASHED]), min_size=3, max_size=3)


def test_who_is_proved_better_stands_before() -> None:
    found = compared(
        [
            entrant("sigmoid", (1.0, 1.1, 1.0), control=True),
            entrant("relu", (0.1, 0.11, 0.1)),
            entrant("tanh", (0.3, 0.31, 0.3)),
        ]
    )
    assert [(one.entrant.activation, one.place) for one in found.standings] == [
        ("relu", 1),
        ("tanh", 2),
        ("sigmoid", 3),
    ]
    assert not any(one.tied for one in found.standings)
    assert found.best.effect.mean == pytest.approx(0.93, abs=0.01)  # the tail begins a little before the end
    assert "relu trains best: it beats the script as it is (sigmoid) by 0.93 decades of loss" in str(found.verdict)
    assert "3 seeds" in str(found.verdict)


def test_who_cannot_be_told_apart_shares_a_place_and_the_verdict_says_so() -> None:
    found = compared(
        [
            entrant("sigmoid", (1.0, 1.1, 1.0), control=True),
            entrant("relu", (0.10, 0.12, 0.11)),
            entrant("gelu", (0.11, 0.10, 0.12)),
        ]
    )
    assert [(one.place, one.tied) for one in found.standings] == [(1, True), (1, True), (3, False)]
    assert str(found.verdict).endswith("As good, within the noise: gelu.")


def test_luck_that_all_share_cancels() -> None:
    lucky = (0.2, 1.0, 5.0)  # seeds differ by far more than the two do
    found = compared([entrant("tanh", lucky, control=True), entrant("relu", [0.7 * one for one in lucky])])
    assert [(one.entrant.activation, one.place) for one in found.standings] == [("relu", 1), ("tanh", 2)]


def test_nothing_better_than_the_own_activation_is_an_honest_result() -> None:
    assert str(healthy().verdict).startswith("Nothing is proved better than the script's own gelu")
    alone = compared([entrant("gelu", (0.10, 0.11, 0.10), control=True), entrant("relu", (0.5, 0.51, 0.5))])
    assert str(alone.verdict) == "The script's own gelu trains best: all others end worse."


def test_what_was_better_each_time_but_is_not_proved_is_said_to_be_just_that() -> None:
    found = compared([entrant("tanh", (1.0, 1.0), control=True), entrant("relu", (0.1, 0.3))])
    assert {one.place for one in found.standings} == {1}
    assert str(found.verdict).startswith("relu ended better than the script as it is (tanh) on each of 2 seeds, by 0.7")


def test_one_seed_is_called_chance() -> None:
    found = compared([entrant("tanh", (1.0,), control=True), entrant("relu", (0.01,))])
    assert {one.place for one in found.standings} == {1}
    assert "on one seed: that may be chance" in str(found.verdict)


def test_a_network_that_nothing_trains_gets_no_winner() -> None:
    found = compared([entrant("tanh", (2.3, 2.3, 2.3), control=True), entrant("relu", (2.29, 2.29, 2.29))])
    assert not found.trains
    assert str(found.verdict).startswith("None of them trains this network: after 100 steps")


def test_the_own_activation_with_another_start_is_told_from_the_script_as_it_is() -> None:
    control = entrant("tanh", (1.0, 1.1, 1.0), control=True)
    runs = {seed: ran(START, seed, 0.1) for seed in range(3)}
    found = compared([control, Entrant("tanh", RIGHT, Arm(START, runs))])
    assert str(found.verdict).startswith("tanh with its right start trains best: it beats the script as it is (tanh)")
    assert found.ratio(found.best) == 1.0


def test_what_broke_stands_last_and_what_holds_where_the_script_breaks_wins() -> None:
    broken = (RunEnd.CRASHED, RunEnd.CRASHED, RunEnd.CRASHED)
    found = compared([entrant("tanh", broken, control=True), entrant("relu", (0.5, 0.6, 0.5))])
    assert [one.held for one in found.standings] == [True, False]
    assert str(found.verdict) == "relu trains, where the script as it is (tanh) breaks."


def test_a_comparison_that_was_ended_at_once_says_so() -> None:
    found = compared([entrant("tanh", (1.0,), control=True)])
    assert str(found.verdict).startswith("Nothing was compared")


def test_a_metric_is_compared_in_its_own_unit() -> None:
    def scored(name: str, metrics: list[float], **dose: str) -> Entrant:
        prescription = Prescription((Item("swap-activation", {"to": name}),) if dose else ())
        runs = {
            seed: outcome(falling(2, 1), prescription=prescription, seed=seed, metric=metric)
            for seed, metric in enumerate(metrics)
        }
        return Entrant(name, SCRIPT, Arm(prescription, runs))

    entrants = [scored("tanh", [61.0, 60.0, 62.0]), scored("relu", [97.0, 97.5, 98.0], to="relu")]
    scale = scale_of([*entrants[0].arm.runs.values()], goal="max")
    found = standings(entrants, scale)
    assert found[0].entrant.activation == "relu"
    assert found[0].effect.mean == pytest.approx(36.5)
    assert as_loss(found[0].level[0], scale) == pytest.approx(97.5)


@given(st.lists(ends, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_entrants_does_not_matter_and_somebody_is_first(
    rows: list[list[float]], dice: random.Random
) -> None:
    entrants = [entrant(f"a{at}", row, control=at == 0) for at, row in enumerate(rows)]
    found = standings(entrants, compared(entrants).scale)
    dice.shuffle(entrants)
    again = standings(entrants, compared(sorted(entrants, key=lambda one: not one.is_control)).scale)
    assert {one.entrant.activation: one.place for one in found} == {one.entrant.activation: one.place for one in again}
    assert found[0].place == 1
    assert [one.place for one in found] == sorted(one.place for one in found)


@pytest.mark.parametrize("name", DRAWN)
def test_the_json_keeps_to_its_schema(name: str) -> None:
    for lang in ("en", "zh"):
        document = json.loads(DRAWN[name](lang).to_json())
        jsonschema.validate(document, SCHEMA)
        assert len(document["standings"]) == len(DRAWN[name]().standings)


def test_the_json_holds_the_numbers() -> None:
    document = json.loads(sigmoids().to_json())
    [selu] = [one for one in document["standings"] if one["activation"] == "selu"]
    assert (selu["place"], selu["tied"], selu["control"]) == (1, True, False)
    assert selu["time_ratio"] == pytest.approx(1.12)
    assert selu["end"]["low"] < selu["end"]["typical"] < selu["end"]["high"]
    assert len(selu["runs"]) == 3
    assert selu["runs"][0]["looks"][0]["ledger_by_kind"]["activation"] == -0.4
    assert selu["curves"]["t.py:9"]["mean"][0] == pytest.approx(2.3, rel=0.1)
    assert document["own"] == ["sigmoid"]


def test_time_is_told_in_units_of_the_own_activation() -> None:
    found = sigmoids()
    ratios = {one.entrant.activation: found.ratio(one) for one in found.standings}
    assert (ratios["sigmoid"], ratios["softplus"]) == (1.0, None)
    assert ratios["selu"] == pytest.approx(1.12)


def test_a_score_is_turned_back_into_a_loss() -> None:
    assert as_loss(-2.0, Scale({"loss": "log"}, {"loss": 1e-9})) == pytest.approx(0.01)
    assert as_loss(-2.0, Scale({"loss": "signed"}, {"loss": 0.5})) == -2.0
    assert isinf(as_loss(1e9, Scale({"loss": "log"}, {"loss": 1e-9})))


def test_prints_and_shows_in_a_notebook() -> None:
    found = sigmoids()
    assert "selu trains best" in str(found)
    assert found._repr_html_().startswith('<div class="gradmedic fragment"')
    assert found.to_markdown().startswith("# train.py")
