"""Double entry: whatever way a ledger is summed, the same decades come out."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.site import Kind

entries = st.builds(
    Entry,
    site=st.integers(0, 9),
    name=st.sampled_from(["a", "b", "c"]),
    op=st.sampled_from(["linear", "relu", "junction"]),
    kind=st.sampled_from(Kind),
    decades=st.floats(-40, 40),
)
ledgers = st.builds(
    Ledger, target=st.just("w"), entries=st.lists(entries, max_size=30).map(tuple), start=st.floats(-9, 9)
)


@given(ledgers)
def test_every_way_of_grouping_has_the_same_total(ledger: Ledger) -> None:
    assert fsum(ledger.by_kind().values()) == pytest.approx(ledger.total, abs=1e-9)
    assert fsum(ledger.by_op().values()) == pytest.approx(ledger.total, abs=1e-9)
    assert fsum(decades for _, decades, _ in ledger.folded()) == pytest.approx(ledger.total, abs=1e-9)
    assert sum(count for _, _, count in ledger.folded()) == len(ledger.entries)


@given(ledgers)
def test_running_ends_at_the_size_that_arrives(ledger: Ledger) -> None:
    sizes = [size for _, size in ledger.running()]
    assert [entry for entry, _ in ledger.running()] == list(ledger.entries)
    assert (sizes[-1] if sizes else ledger.start) == pytest.approx(ledger.start + ledger.total, abs=1e-9)


@given(ledgers)
def test_the_largest_share_comes_first(ledger: Ledger) -> None:
    for shares in (ledger.by_kind().values(), ledger.by_op().values()):
        sizes = [abs(share) for share in shares]
        assert sizes == sorted(sizes, reverse=True)


def test_neighbors_of_one_name_are_folded_and_others_are_not() -> None:
    made = [Entry(0, name, "linear", Kind.WEIGHTS, 1.0) for name in "aaba"]
    assert Ledger("w", tuple(made)).folded() == [("a", 2.0, 2), ("b", 1.0, 1), ("a", 1.0, 1)]
