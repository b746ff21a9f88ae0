"""The screens and files of a comparison, compared whole with those in `golden`."""

from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from support.contests import DRAWN, sigmoids

from gradmedic.base.locale import LANGUAGES
from gradmedic.render.comparison.screen import show
from gradmedic.render.glyphs import ASCII, UNICODE
from gradmedic.render.sparklines import by_depth, spark
from gradmedic.trials.comparison.comparison import Comparison

GOLDEN = Path(__file__).parents[2] / "golden"

drawn = pytest.mark.parametrize("name", DRAWN)
languages = pytest.mark.parametrize("lang", LANGUAGES)


def screen(found: Comparison, lang: str, width: int) -> str:
    file = StringIO()
    show(found, lang, Console(file=file, width=width))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def same_as_golden(name: str, text: str, accept: bool) -> None:
    if accept:
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@drawn
@languages
@pytest.mark.parametrize("width", [60, 100])
def test_screens_look_as_accepted(name: str, lang: str, width: int, accept: bool) -> None:
    text = screen(DRAWN[name](lang), lang, width)
    assert max(map(cell_len, text.splitlines())) <= width
    same_as_golden(f"compare.{name}.{lang}.{width}.txt", text, accept)


@drawn
@languages
def test_markdown_looks_as_accepted(name: str, lang: str, accept: bool) -> None:
    same_as_golden(f"compare.{name}.{lang}.md", DRAWN[name](lang).to_markdown(), accept)


def test_ascii_screens_look_as_accepted(accept: bool) -> None:
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding="ascii")
    show(sigmoids(), "en", Console(file=file, width=80))
    file.flush()
    same_as_golden("compare.sigmoids.ascii.txt", raw.getvalue().decode("ascii"), accept)


@languages
def test_a_wide_screen_has_one_line_for_each_and_a_narrow_one_two(lang: str) -> None:
    wide, narrow = (screen(sigmoids(lang), lang, width).split("\n\n")[1] for width in (100, 60))
    assert wide.count("\n") + 1 == 8
    assert narrow.count("\n") + 1 == 15  # what could not be given has no pictures


def test_curves_in_one_line_share_their_scale() -> None:
    assert spark([0.0, 0.5, 1.0], 0.0, 1.0, UNICODE) == "▁▅█"
    assert spark([0.0, 0.5, 1.0], 0.0, 100.0, UNICODE) == "▁▁▁"
    assert spark([1.0, float("nan")], 0.0, 1.0, ASCII) == "#x"
    assert spark([2.0, 2.0], 2.0, 2.0, UNICODE) == "▁▁"


def test_a_gradient_by_depth_is_drawn_below_its_largest_layer() -> None:
    assert by_depth([("a", 1e-9), ("b", 1e-5), ("c", 1e-1)], 8, 8.0, UNICODE) == "▁▅█"
    assert by_depth([("a", 0.0), ("b", 1.0)], 8, 8.0, UNICODE) == "▁█"
    assert by_depth([("a", float("inf")), ("b", 1.0)], 8, 8.0, UNICODE) == "×█"  # noqa: RUF001
    assert by_depth([("a", 0.0)], 8, 8.0, UNICODE) == "×"  # noqa: RUF001
