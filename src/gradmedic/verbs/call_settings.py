"""The settings of a call from Python: its arguments over `GRADMEDIC_*` over pyproject.toml over the defaults."""

import os
from collections.abc import Mapping
from pathlib import Path

from gradmedic.base.settings import HANDED_ON, Settings, load, merged
from gradmedic.base.surroundings import folder
from gradmedic.diagnosis.rule_settings import check_rules

Thresholds = Mapping[str, Mapping[str, object]]
"""Thresholds of rules by their names."""

OF_A_CALL = ("budget", "every", "ignore", "lang", "rules")
"""What a project says of every call; its other settings are those of a script that is run."""


def settings_of(verb: str, settings: Settings | None = None, **given: object) -> Settings:
    """`settings`, or those of the project, with what was `given` and is not None; all of it checked.

    Raises `SettingsError`, which names the verb or the file.
    """
    if settings is None:
        # What a parent process hands on is meant for the whole run of a script, which this call is a part of.
        environ = {key: value for key, value in os.environ.items() if key != HANDED_ON}
        project = load({}, Path(folder() or os.sep), environ)
        settings = Settings(**{key: getattr(project, key) for key in OF_A_CALL})
    settings = merged(settings, {key: value for key, value in given.items() if value is not None}, verb)
    check_rules(settings)
    return settings
