"""The command: what it takes apart before anything is run."""

import pytest

from gradmedic.base.errors import SettingsError
from gradmedic.cli.compare import factors, split, written_by


def test_names_are_split_at_commas_that_are_not_inside_of_parentheses() -> None:
    assert split("relu, gelu,leaky_relu(0.2),hardtanh(-1, 2),") == [
        "relu",
        "gelu",
        "leaky_relu(0.2)",
        "hardtanh(-1, 2)",
    ]


def test_a_file_is_written_as_its_suffix_says() -> None:
    assert [written_by(name) for name in ("c.json", "c.MD", "c.txt")] == ["to_json", "to_markdown", "__str__"]
    with pytest.raises(SettingsError, match=r"cannot write 'c\.pdf': a comparison ends in \.html, \.json, \.md, \.txt"):
        written_by("c.pdf")


def test_rates_are_numbers() -> None:
    assert factors("1,0.3, 0.1") == [1.0, 0.3, 0.1]
    with pytest.raises(SettingsError, match="--rates fast: write factors"):
        factors("fast")
