"""The command: what stands first."""

from click.testing import CliRunner

from gradmedic.base.errors import SettingsError
from gradmedic.cli import commands


def test_a_script_in_the_place_of_a_prescription_is_told_what_comes_first() -> None:
    done = CliRunner().invoke(commands, ["patch", "train.py"], standalone_mode=False)
    assert isinstance(done.exception, SettingsError)
    assert "the prescription comes first, as gradmedic patch prescription.toml train.py" in str(done.exception)
