"""The command: which of its outputs is the prescription."""

import pytest

from gradmedic.base.errors import SettingsError
from gradmedic.cli.treat import sorted_out


def test_one_file_takes_the_prescription_and_the_others_the_story() -> None:
    assert sorted_out(()) == ("prescription.toml", [])
    assert sorted_out(("a.html", "cure.toml", "b.json")) == ("cure.toml", [("a.html", "page"), ("b.json", "json")])
    with pytest.raises(SettingsError, match=r"one file takes the prescription, not 2: a\.toml, b\.toml"):
        sorted_out(("a.toml", "b.toml"))
