"""Every column that a recording has is checked, and none that it has not."""

import pytest

from gradmedic.base.value_types import UnfitError
from gradmedic.recording.column_types import EVENT_DATA, TYPES, event_data
from gradmedic.recording.columns import COLUMNS, EVENTS


@pytest.mark.parametrize("table", COLUMNS)
def test_the_columns_with_a_type_are_those_with_a_meaning(table: str) -> None:
    types = TYPES[table]
    assert set(types.hints) <= set(COLUMNS[table])
    assert types.others is not None or set(types.hints) == set(COLUMNS[table])


@pytest.mark.parametrize("kind", [kind for kind in EVENTS if kind not in ("compiled", "tallies")])
def test_the_data_of_events_with_a_type_is_that_with_a_meaning(kind: str) -> None:
    assert set(EVENTS[kind].data) <= set(EVENT_DATA[kind])


@pytest.mark.parametrize("column", ["grad_rms", "value_zero", "gate_forget"])
def test_a_reading_that_cannot_be_below_zero_is_told(column: str) -> None:
    row = {"capture": 0, "step": 0, "stream": 0, "site": 0, "value_mean": -1.0, "gain": -3, column: -0.5}
    with pytest.raises(UnfitError, match=rf"^{column} must be a number from 0 on; it is -0\.5$"):
        TYPES["readings-sites"].fitted(row)


def test_a_tally_that_is_no_number_is_told() -> None:
    with pytest.raises(UnfitError, match="data of tallies: steps must be a number; it is True"):
        event_data("tallies", {"steps": True})


def test_updates_by_hand_on_stale_gradients_belong_to_no_optimizer() -> None:
    assert event_data("stale-gradients", {"optimizer": None}) == {"optimizer": None}
