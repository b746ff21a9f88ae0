"""Every activation and gate has its page, which any stream can carry; the table has them all."""

from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.console import Console

from gradmedic.base.errors import ActivationError
from gradmedic.render.manual.activation_page import page
from gradmedic.render.manual.plot import portrait
from gradmedic.render.manual.screen import knows, show
from gradmedic.theory.activations import all_activations, all_gates

SECTIONS = ["What it is", "Forward and backward at initialization", "When to use", "References"]
NAMES = [*all_activations(), *all_gates()]
every_name = pytest.mark.parametrize("name", NAMES)


@every_name
def test_every_page_has_all_its_parts(name: str) -> None:
    told = page(name)
    headings = [line.removeprefix("## ") for line in told.splitlines() if line.startswith("## ")]
    assert told.startswith(f"# {name}\n")
    assert headings[: len(SECTIONS) + 1] == [*SECTIONS, "Numbers"]
    assert "nan" not in told.split()
    assert max(map(len, told.splitlines())) <= 120


@every_name
def test_the_page_in_the_docs_is_this_one(name: str) -> None:
    file = Path(__file__).parents[3] / "docs" / "activations" / f"{name}.md"
    assert file.read_text(encoding="utf-8") == page(name), "make docs"


@every_name
def test_every_section_says_something_short(name: str) -> None:
    sections = page(name).split("\n## ")[1 : 1 + len(SECTIONS)]
    assert all(3 < len(section.split()) < 110 for section in sections)


def test_chinese_pages_have_chinese_headings() -> None:
    told = page("gelu", "zh")
    assert "\n## 它是什么\n" in told
    assert "What it is" not in told
    assert "增益 1.481" in told


def test_parameters_change_the_page() -> None:
    assert "negative_slope = 0.2" in page("leaky_relu(0.2)")
    assert page("leaky_relu(0.2)") != page("leaky_relu")
    with pytest.raises(ActivationError):
        page("nothing")


def test_all_stand_beside_each_other() -> None:
    file = StringIO()
    show(None, "en", Console(file=file, width=80))
    lines = file.getvalue().splitlines()
    assert all(any(line.split()[:1] == [name] for line in lines) for name in NAMES)
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("name", [None, "gelu", "swiglu"])
def test_a_stream_without_chinese_or_braille_gets_plain_english(name: str | None) -> None:
    raw = BytesIO()
    plain = TextIOWrapper(raw, encoding="ascii")
    show(name, "zh", Console(file=plain, width=80))
    plain.flush()
    assert b"relu" in raw.getvalue() or b"What it is" in raw.getvalue()
    assert b"\\u28" not in raw.getvalue()


def test_knows_what_has_a_page() -> None:
    assert knows("gelu")
    assert knows("swiglu")
    assert knows("LeakyReLU(0.2)")
    assert not knows("dead-relu")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_portrait_shows_a_line_as_a_line(encoding: str) -> None:
    rows = portrait([float(x) for x in range(40)], 20, 4, encoding)
    assert len(rows) == 4
    assert all(len(row) <= 20 for row in rows)
    assert rows[0].startswith("39 ")
    assert rows[-1].startswith(" 0 ")
    ink = [row[3:].strip("\N{BRAILLE PATTERN BLANK} ") for row in rows]
    assert all(ink)


def test_a_portrait_leaves_out_what_is_not_finite() -> None:
    assert portrait([1.0, float("inf"), float("nan"), 2.0], 12, 3)[0].startswith("2 ")
    assert portrait([1.0, 1.0], 12, 3)


def test_a_page_tells_what_depth_makes_of_the_gradient() -> None:
    """ReLU: torch's default leaves 1/6 of the squared gradient a layer, Xavier's weights half, He's all of it."""
    told = page("relu")
    assert "| torch's default, width 256 | 0.558 | -3.9 |" in told
    assert "| Xavier | 1.44 | -1.5 |" in told
    assert "| He | ∞ | 0 |" in told
