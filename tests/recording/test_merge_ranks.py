"""One recording of several ranks."""

from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import recordings

from gradmedic.recording.ledger import Ledger
from gradmedic.recording.merge_ranks import merged
from gradmedic.recording.records import Capture, Event, Recording, Vital
from gradmedic.recording.site import Kind, Parameter, Site

FC = Site(0, "fc", Kind.WEIGHTS, "linear")
ACT = Site(1, "act", Kind.ACTIVATION, "relu")


@settings(max_examples=60, deadline=None)
@given(st.data(), st.dictionaries(st.integers(0, 9), recordings(), min_size=1, max_size=3))
def test_the_order_of_the_ranks_makes_no_difference(data: st.DataObject, ranks: dict[int, Recording]) -> None:
    shuffled = data.draw(st.permutations(list(ranks.items())))
    assert repr(merged(dict(shuffled))) == repr(merged(ranks))


@given(recordings())
def test_one_rank_is_left_as_it_is(recording: Recording) -> None:
    assert merged({3: recording}) is recording


def test_the_loss_of_a_step_is_the_mean() -> None:
    ranks = {rank: Recording(vitals=[Vital(step, 0, 0.0, step + 2.0 * rank) for step in range(3)]) for rank in (0, 1)}
    assert merged(ranks).losses(0) == [(0, 1.0), (1, 2.0), (2, 3.0)]


@pytest.mark.parametrize("largest", [1.7976931348623157e308, -1.7976931348623157e308])
def test_the_mean_of_the_largest_numbers_is_a_number(largest: float) -> None:
    ranks = {rank: Recording(vitals=[Vital(0, 0, 0.0, largest)]) for rank in range(3)}
    ((_, mean),) = merged(ranks).losses(0)
    assert mean == pytest.approx(largest)


def test_several_backward_passes_of_a_step_are_told_apart() -> None:
    ranks = {rank: Recording(vitals=[Vital(0, 0, n, 10.0 * n + rank) for n in (0, 1)]) for rank in (0, 2)}
    assert merged(ranks).losses(0) == [(0, 1.0), (0, 11.0)]


@pytest.mark.parametrize(
    ("one", "other", "both"), [(1.0, inf, inf), (-inf, inf, nan), (1.0, nan, nan), (None, 3.0, 3.0)]
)
def test_what_is_not_finite_on_one_rank_shows(one: float | None, other: float, both: float) -> None:
    merge = merged({0: Recording(vitals=[Vital(0, 0, 0.0, one)]), 1: Recording(vitals=[Vital(0, 0, 0.0, other)])})
    [loss] = [vital.loss for vital in merge.vitals]
    assert loss == both or (loss is not None and isnan(loss) and isnan(both))
    assert merge.run["merged"]["ranks"] == [0, 1]


def test_names_the_rank_that_fares_worst() -> None:
    losses = {0: [2.0, 1.0], 1: [9.0, 8.0], 2: [2.0, 2.0]}
    ranks = {rank: Recording(vitals=[Vital(0, 0, 0.0, loss) for loss in told]) for rank, told in losses.items()}
    assert merged(ranks).run["merged"]["worst"] == 1
    ranks[2] = Recording(vitals=[Vital(0, 0, 0.0, nan)])
    assert merged(ranks).run["merged"]["worst"] == 2


def test_numbers_are_combined_as_their_names_say() -> None:
    first = {"grad_rms": 3.0, "value_min": -1.0, "value_max": 1.0, "grad_bad": 0.0, "dead": 0.5, "gain": -1.0}
    second = {"grad_rms": 4.0, "value_min": -2.0, "value_max": 5.0, "grad_bad": 0.1, "dead": 0.0, "gain": -3.0}
    ranks = {
        rank: Recording({0: FC}, captures=[Capture(5, loss=loss, sites={0: numbers}, profiles={0: [1.0, loss]})])
        for rank, loss, numbers in ((0, 1.0, first), (1, 7.0, second))
    }
    [capture] = merged(ranks).captures
    assert (capture.step, capture.loss) == (5, 4.0)
    assert capture.sites[0] == {
        "grad_rms": pytest.approx((25 / 2) ** 0.5),
        "value_min": -2.0,
        "value_max": 5.0,
        "grad_bad": 0.1,
        "dead": 0.25,
        "gain": -2.0,
    }
    assert list(capture.profiles[0]) == pytest.approx([1.0, 5.0])


def test_sites_and_parameters_are_matched_by_name() -> None:
    first = Recording(
        {0: FC, 1: ACT},
        {0: Parameter(0, "fc.weight")},
        captures=[
            Capture(0, sites={0: {"gain": 1.0}}, parameters={0: {"grad": 1.0}}, ledgers=(Ledger("fc.weight", ()),))
        ],
    )
    other = Recording(
        {7: Site(7, "fc", Kind.WEIGHTS, "linear"), 8: Site(8, "elsewhere", Kind.WEIGHTS, "linear")},
        {5: Parameter(5, "fc.weight")},
        captures=[Capture(0, sites={7: {"gain": 3.0}, 8: {"gain": 9.0}}, parameters={5: {"grad": 0.0}})],
        events=[Event("non-finite", 2, {"site": 7}), Event("non-finite", 1, {"site": 8})],
    )
    merge = merged({0: first, 1: other})
    assert merge.sites == first.sites
    assert merge.captures[0].sites == {0: {"gain": 2.0}}
    assert merge.captures[0].parameters == {0: {"grad": 0.5}}
    assert merge.captures[0].ledgers == first.captures[0].ledgers
    assert [event.data for event in merge.events] == [{"site": None, "rank": 1}, {"site": 0, "rank": 1}]


def test_captures_of_one_rank_only_stay() -> None:
    ranks = {rank: Recording(captures=[Capture(step) for step in (0, rank + 1)]) for rank in (0, 1)}
    assert [capture.step for capture in merged(ranks).captures] == [0, 1, 2]


def test_the_last_tallies_of_each_rank_stay_and_those_of_rank_0_count() -> None:
    ranks = {
        rank: Recording(events=[Event("tallies", step, {"steps": step}) for step in (1, 5 + rank)]) for rank in (0, 1)
    }
    merge = merged(ranks)
    assert [event.data for event in merge.events_of("tallies")] == [{"steps": 6, "rank": 1}, {"steps": 5, "rank": 0}]
    assert merge.tallies["steps"] == 5
