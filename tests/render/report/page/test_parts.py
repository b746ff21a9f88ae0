"""The parts of a page: scales, thinning, pictures and bars say what the numbers say."""

import re
import struct
import zlib
from math import inf, isfinite, nan

from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind
from gradmedic.render.page.axis import axis
from gradmedic.render.page.bilingual import text
from gradmedic.render.page.curves import Chart, ChartLine
from gradmedic.render.page.heat_map import FIRST, LAST, LOST, NOTHING, ZERO, HeatMap, scale
from gradmedic.render.page.thinning import evenly, thinned
from gradmedic.render.report.page.network import ROWS, NetworkRow, folded
from gradmedic.render.report.page.waterfall import stages

numbers = st.floats(-1e30, 1e30) | st.just(nan) | st.just(inf)
points = st.lists(numbers, min_size=1, max_size=900).map(lambda values: list(enumerate(values)))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
@example([5e-324])
@example([0.0, -5e-324])
@example([0.0, 1e-289])
def test_a_scale_has_room_for_all_values_in_a_few_parts(values: list[float]) -> None:
    found = axis(values)
    assert 1 <= found.steps <= 6
    assert len(found.labels) == found.steps + 1
    places = [found.at(value) for value in values]
    assert all(place is not None and 0 <= place <= 1 for place in places)


def test_sizes_down_to_the_smallest_float_find_a_place_by_decades() -> None:
    found = axis([1e-45, 1.0, 0.0])
    assert found.log
    assert [found.at(value) for value in (1.0, 0.0, nan, inf)] == [1.0, 0.0, None, None]
    assert 0 < (found.at(1e-44) or 0) < 0.2
    assert found.labels[0] == "1e0"


@given(points, st.integers(20, 400))
def test_thinning_keeps_the_order_the_extremes_and_what_is_not_finite(
    series: list[tuple[int, float]], most: int
) -> None:
    kept = thinned(series, most)
    assert len(kept) <= most
    assert [step for step, _ in kept] == sorted({step for step, _ in kept})
    assert {*map(repr, kept)} <= {*map(repr, series)}
    assert any(not isfinite(v) for _, v in series) == any(not isfinite(v) for _, v in kept)
    if all(isfinite(value) for _, value in series):
        assert max(v for _, v in kept) == max(v for _, v in series)
        assert min(v for _, v in kept) == min(v for _, v in series)


@given(st.integers(1, 5000), st.integers(2, 300))
def test_evenly_chosen_places_hold_both_ends(count: int, most: int) -> None:
    chosen = evenly(count, most)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    assert len(chosen) == len({*chosen}) <= max(most, 1)


def test_a_curve_is_lifted_where_a_value_is_not_finite() -> None:
    chart = Chart("loss", Markup("loss"), [ChartLine(Markup("loss"), "one", [(0, 1.0), (1, nan), (2, 0.5), (3, 0.2)])])
    path = re.findall(r'd="([^"]*)" class="curve one"', chart.svg())
    assert path[0].count("M") == 2
    assert chart.gaps == 1
    assert chart.svg().count('class="lost"') == 1


def decoded(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and rows of a PNG with one byte a pixel, its checksums checked."""
    at, chunks = 8, {}
    while at < len(png):
        (length,), name = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        data = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + data)
        chunks[name] = data
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = zlib.decompress(chunks[b"IDAT"])
    rows = [raw[i * (width + 1) + 1 : (i + 1) * (width + 1)] for i in range(height)]
    return width, height, rows


def test_a_map_shows_nothing_zero_lost_and_the_ends_of_its_scale() -> None:
    from gradmedic.render.page.heat_map import png

    found = HeatMap("m", Markup("m"), [("a", [None, 0.0, nan, 1e-8]), ("b", [inf, 1.0, 1e-4, 1e-8])], [0, 1, 2, 3])
    width, height, rows = decoded(png(found.pixels()))
    assert (width, height) == (4, 2)
    assert list(rows[0]) == [NOTHING, ZERO, LOST, FIRST]
    assert list(rows[1]) == [LOST, LAST, FIRST + (LAST - FIRST) // 2, FIRST]
    assert found.ends == ("1e-8", "1e0")


def test_every_color_of_the_scale_is_another_one() -> None:
    assert len({*scale()}) == len(scale()) == LAST - FIRST + 1


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=300), st.floats(-2, 2))
def test_the_waterfall_ends_at_the_total_of_the_ledger(decades: list[float], start: float) -> None:
    entries = [Entry(i, f"layers.{i}", "linear", Kind.WEIGHTS, d) for i, d in enumerate(decades)]
    ledger = Ledger("w", tuple(entries), start)
    found = stages(ledger, Recording())
    assert len(found) <= 40
    assert abs(found[-1].total - (ledger.start + ledger.total)) < 1e-9
    assert sum(stage.count for stage in found) == len(entries)


def test_a_deep_network_is_folded_with_both_ends_standing_alone() -> None:
    single = [NetworkRow(f"layers.{i}", "linear", gradient=10.0**-i, here=i == 7) for i in range(300)]
    found = folded(single, ROWS)
    assert len(found) <= ROWS
    assert (found[0].name, found[-1].name) == ("layers.0", "layers.299")
    assert found[1].name.startswith("layers.1-")
    assert [row.here for row in found].count(True) == 1


def test_a_text_stands_there_in_every_language_and_once_where_all_agree() -> None:
    assert text(lambda _: _("Why")) == '<span lang="en">Why</span><span lang="zh">原因</span>'
    assert text(lambda _: "a<b") == "a&lt;b"
