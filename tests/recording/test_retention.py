"""What is kept of a long run, and what is not."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Capture
from gradmedic.recording.retention import LAST, Limits, Retention, slot, weight
from gradmedic.recording.site import Kind

LIMITS = Limits(head=5, segment=4)


def kept(count: int, limits: Limits = LIMITS, weigh: float = 1) -> list[int]:
    """The records that stand after `count` of them."""
    chains = Retention[list[int]](limits, lambda name: [], lambda segment: None)
    for record in range(count):
        chains.place(weigh).append(record)
    return sorted(record for segment in chains.segments() for record in segment)


@given(st.integers(0, 3_000), st.integers(1, 20), st.integers(1, 20))
def test_the_first_ones_and_the_newest_stand_in_full(count: int, head: int, segment: int) -> None:
    stand = kept(count, Limits(head, segment))
    assert stand[:head] == list(range(min(count, head)))
    assert set(range(max(0, count - 2 * segment), count)) <= set(stand)


@given(st.integers(0, 3_000), st.integers(1, 20), st.integers(1, 20), st.integers(0, 6))
def test_twice_as_long_ago_half_of_them_stand(count: int, head: int, segment: int, doubled: int) -> None:
    every = 2**doubled
    newest = range(max(0, count - 2 * segment * every), count)
    assert {record for record in newest if record % every == 0} <= set(kept(count, Limits(head, segment)))


@given(st.integers(0, 5_000))
def test_their_number_grows_with_the_logarithm(count: int) -> None:
    assert len(kept(count)) <= LIMITS.head + 2 * LIMITS.segment * count.bit_length()


@given(
    st.lists(st.integers(0, 300)), st.integers(0, 20), st.integers(1, 20), st.floats(0.5, 30) | st.just(float("inf"))
)
def test_a_pile_goes_where_its_records_would_have_gone(
    piles: list[int], head: int, segment: int, weight: float
) -> None:
    limits = Limits(head, segment, weight)
    piled, single = (
        Retention[list[int]](limits, lambda _: [], lambda _: None),
        Retention[list[int]](limits, lambda _: [], lambda _: None),
    )
    for begun, count in zip(accumulate(piles, initial=0), piles, strict=False):
        records = range(begun, begun + count)
        for place, which in piled.places(count):
            place.extend(records[which])
        for record in records:
            single.place().append(record)
    assert list(piled.segments()) == list(single.segments())


def test_nothing_is_dropped_but_the_oldest_segment_of_a_chain() -> None:
    opened: list[str] = []
    dropped: list[str] = []

    def opening(name: str) -> str:
        opened.append(name)
        return name

    chains = Retention[str](Limits(head=1, segment=1), opening, dropped.append)
    assert [chains.place() for _ in range(9)] == [
        "head",
        *("00-000000", "01-000000", "00-000001", "02-000000", "00-000002", "01-000001", "00-000003", "03-000000"),
    ]
    assert dropped == ["00-000000", "00-000001"]
    assert sorted(set(opened) - set(dropped)) == sorted(chains.segments())


def test_heavy_records_fill_a_segment_sooner() -> None:
    limits = Limits(head=100, segment=100, weight=10)
    assert len(kept(10_000, limits, weigh=5)) < len(kept(10_000, limits, weigh=1)) < len(kept(10_000, limits, weigh=0))
    assert kept(10_000, limits, weigh=5)[:16] == list(range(16))
    assert kept(10_000, limits, weigh=1_000)[0] == 0


def test_the_last_chain_takes_all_the_rest() -> None:
    chains = Retention[str](Limits(head=1, segment=1), lambda name: name, lambda segment: None)
    chains._count = 2 ** (LAST + 3)
    chains._head.room = 0
    assert chains.place().startswith(f"{LAST:02}-")


def test_tallies_replace_each_other_and_other_events_do_only_after_a_thousand() -> None:
    assert {slot("tallies", number) for number in range(5_000)} == {0}
    assert {slot("note", number) for number in range(5_000)} == set(range(1_000))


def test_a_capture_weighs_about_as_much_as_it_has_numbers() -> None:
    entry = Entry(0, "fc", "linear", Kind.WEIGHTS, -1.0)
    capture = Capture(
        0,
        sites={site: {} for site in range(3)},
        parameters={0: {}},
        profiles={0: [1.0]},
        ledgers=(Ledger("fc.weight", (entry, entry)),),
    )
    assert weight(capture) == 3 * 16 + 8 + 64 + 2 * 4
