"""The documented numbers: what the popular rule says, what theory predicts, and what is measured."""

import importlib
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2]
PAGE = (FOLDER / "docs/explanation/alpha-to-the-n.md").read_text()
sys.path.insert(0, str(FOLDER / "examples"))

example = importlib.import_module("alpha_to_the_n")


def test_what_is_measured_lies_where_it_is_predicted_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example, "SEEDS", 6)
    shown = iter(re.findall(r"^\| (?!init|activ|-)(.+) \|$", PAGE, re.MULTILINE))
    for title, rows in example.tables():
        assert f"**{title}**" in PAGE
        for row in rows:
            assert row.low < row.measured < row.high
            assert row.slopes < row.bound
            name, bound, slopes, whole, _, told = next(shown).split(" | ")
            assert name == row.name
            assert [float(bound), float(slopes), float(whole)] == pytest.approx(
                [row.bound, row.slopes, row.whole], rel=0.05
            )
            assert float(told) == pytest.approx(row.measured, rel=0.2)
    assert next(shown, None) is None


def test_the_power_is_what_it_is() -> None:
    assert f"{0.25**20:.3g}" == "9.09e-13"
    assert "9.09e-13" in PAGE
