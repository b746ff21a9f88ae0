"""Judge a recording again: no training, no torch."""

import os
from collections.abc import Sequence

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.judge import judge_recorded
from gradmedic.diagnosis.report import Report
from gradmedic.recording.reader import load
from gradmedic.recording.records import Recording
from gradmedic.verbs.call_settings import Thresholds, settings_of


def diagnose(
    recording: Recording | str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    ignore: Sequence[str] | None = None,
    rules: Thresholds | None = None,
) -> Report:
    """The report on a recording, or on the folder of one.

    Thresholds of `rules` and rules to `ignore` stand over those of `settings`, or of pyproject.toml.
    Raises `RecordingError` if the folder holds none that this version can read.
    """
    if not isinstance(recording, Recording):
        recording = load(os.fspath(recording))
    return judge_recorded(recording, settings_of("gm.diagnose", settings, ignore=ignore, rules=rules))
