"""The owner of a number is the innermost span around it, found without a look at every span."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gradmedic.probe.hooks.sequence_intervals import Owners, Span


class Counted(list[Span]):
    """Spans that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super().__getitem__(index)


@st.composite
def nested(draw: st.DrawFn, start: int = 0, depth: int = 0) -> list[Span]:
    """Calls one after another, with calls inside of them."""
    spans: list[Span] = []
    for _ in range(draw(st.integers(0, 3))):
        start += draw(st.integers(0, 2))
        inside = draw(nested(start, depth + 1)) if depth < 3 else []
        stop = max((span.stop for span in inside), default=start) + draw(st.integers(0, 2))
        spans += [*inside, Span(start, stop, depth, (start, stop, depth))]
        start = stop
    return spans


def innermost(spans: Sequence[Span], number: int) -> object:
    around = [span for span in spans if span.start <= number < span.stop]
    return max(around, key=lambda span: (span.start, span.depth)).owner if around else None


@given(nested())
def test_the_owner_is_the_innermost_span_around_a_number(spans: list[Span]) -> None:
    owners = Owners(spans)
    for number in range(-1, max((span.stop for span in spans), default=0) + 2):
        assert owners.of(number) == innermost(spans, number)


def test_what_lies_behind_a_thousand_calls_is_found_at_once() -> None:
    spans = [Span(2 * i, 2 * i + 1, 1, "layer") for i in range(1000)]
    owners = Owners([*spans, Span(0, 3000, 0, "model")])
    owners._spans = counted = Counted(owners._spans)
    assert [owners.of(number) for number in (1998, 1999, 2999)] == ["layer", "model", "model"]
    assert counted.looks < 15
