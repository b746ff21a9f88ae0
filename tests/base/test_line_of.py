"""Where a run is, and what is around it."""

from pathlib import Path

import pytest

from gradmedic.base.surroundings import line_of


def test_a_line_comes_without_its_indentation(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("for x in y:\n    step(x)  # here\n")
    assert line_of(str(tmp_path / "train.py"), 2) == "step(x)  # here"
    assert line_of(str(tmp_path / "train.py"), 9) == ""


@pytest.mark.parametrize("name", ["", "missing.py", "null\0byte.py", "half\ud800.py", "x" * 5000])
def test_a_file_that_cannot_be_read_or_named_has_no_lines(name: str) -> None:
    assert line_of(name, 1) == ""
