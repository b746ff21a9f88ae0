"""How much of an endless run is kept: all of the beginning, and ever less of what is long ago.

Records are counted from 0. The first ones stand in full, in the head. Of the later ones, record i
goes to chain min(trailing zeros of i, LAST): every second record to chain 0, every fourth to
chain 1, and so on (the ruler sequence). A chain is cut into segments and keeps its two newest.
So the newest records stand in full, older ones at every second, still older ones at every fourth;
their number grows with the logarithm of the run, and nothing is ever rewritten.

One class for two backends: what a segment is (a list in memory, files in a folder) is up to whoever
opens and drops it. Both therefore keep the very same records.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from gradmedic.recording.records import Capture

LAST = 24
"""The last chain: 2**24 steps between two of its records, 2**34 and more until it forgets one."""

S = TypeVar("S")


@dataclass(frozen=True)
class Limits:
    """How many records are kept, and of what weight (the unit is up to the caller)."""

    head: int
    """Records at the beginning that are kept for good."""
    segment: int
    """Records in a segment of a chain."""
    weight: float = float("inf")
    """Weight at which a segment is full before its time; the head may weigh eight times as much."""


# A row of vitals takes about 130 bytes on disk and 400 in memory: 10**6 steps keep 21 000 of them.
VITALS = Limits(head=1024, segment=1024)
# A capture weighs as much as it has numbers, about 30 bytes on disk and 64 in memory each.
CAPTURES = Limits(head=64, segment=32, weight=16_384)


def weight(capture: Capture) -> int:
    """About how many numbers a capture holds, told without counting them one by one."""
    entries = sum(len(ledger.entries) for ledger in capture.ledgers)
    return 16 * len(capture.sites) + 8 * len(capture.parameters) + 64 * len(capture.profiles) + 4 * entries


def slot(kind: str, number: int) -> int:
    """Where event `number` of its kind is kept; a later one in the same slot replaces the earlier.

    A thousand of each kind, then only the newest; of the tallies only the newest at all.
    """
    return 0 if kind == "tallies" else min(number, 999)


class Chain(Generic[S]):
    """One chain: its segments, at most two, and what still goes into the newest."""

    __slots__ = ("opened", "room", "segments", "spare")

    def __init__(self) -> None:
        self.room, self.spare = 0, 0.0
        self.opened = 0
        self.segments: list[S] = []

    def take(self, records: range) -> slice:
        """As many records of weight 1 as there is room for."""
        count = max(0, min(len(records), self.room, ceil(min(self.spare, self.room))))
        self.room -= count
        self.spare -= count
        return slice(records.start, records.start + count * records.step, records.step)


class Retention(Generic[S]):
    """Tells for each record in turn the segment that it belongs to, and drops old segments."""

    def __init__(self, limits: Limits, opened: Callable[[str], S], dropped: Callable[[S], None]) -> None:
        self._limits, self._opened, self._dropped = limits, opened, dropped
        self._count = 0
        self._chains = [Chain[S]() for _ in range(LAST + 1)]
        self._head = Chain[S]()
        self._head.segments.append(opened("head"))
        self._head.room, self._head.spare = limits.head, limits.weight * 8

    def place(self, weight: float = 1) -> S:
        """The segment for the next record."""
        index = self._count
        self._count = index + 1
        chain = self._head
        if chain.room <= 0 or chain.spare <= 0:
            number = min((index & -index).bit_length() - 1, LAST)
            chain = self._chains[number]
            if chain.room <= 0 or chain.spare <= 0:
                self._advance(number, chain)
        chain.room -= 1
        chain.spare -= weight
        return chain.segments[-1]

    def places(self, count: int) -> list[tuple[S, slice]]:
        """The segments for the next `count` records of weight 1, each with those of the records that go there."""
        begun, self._count = self._count, self._count + count
        head = self._head.take(range(count))
        places = [(self._head.segments[-1], head)]
        for number, chain in enumerate(self._chains):
            first, step = (1 << number, 2 << number) if number < LAST else (0, 1 << LAST)
            own = range(head.stop + (first - begun - head.stop) % step, count, step)
            while own:
                if chain.room <= 0 or chain.spare <= 0:
                    self._advance(number, chain)
                taken = chain.take(own)
                places.append((chain.segments[-1], taken))
                own = range(taken.stop, count, step)
        return places

    def segments(self) -> Iterator[S]:
        """The segments that are kept, in no order."""
        for chain in (self._head, *self._chains):
            yield from chain.segments

    def _advance(self, number: int, chain: Chain[S]) -> None:
        chain.segments.append(self._opened(f"{number:02}-{chain.opened:06}"))
        chain.opened += 1
        chain.room, chain.spare = self._limits.segment, self._limits.weight
        if len(chain.segments) > 2:
            self._dropped(chain.segments.pop(0))
