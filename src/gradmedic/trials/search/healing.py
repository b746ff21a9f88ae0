"""Where nothing measures how well a script does: which prescription leaves no fault to be found.

No run is better than another then. A candidate is worth prescribing if the diagnosis of the whole run under
it raises no alarm, with the script's own seeds and with fresh ones; and that is all that is claimed.
"""

from collections.abc import Sequence

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.report import Report
from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.search import Search
from gradmedic.trials.trial import Trial

SEEDS = (0, 1)
"""The script's own, and a fresh one."""


def healing(search: Search, settings: Settings) -> tuple[Candidate, Report] | None:
    """The first candidate under which runs with all seeds are free of alarms, and the last report; None without one.

    What takes a mistake away comes before what makes up for it.
    """
    near = [one for one in search.known.candidates.values() if not one.remote]
    for candidate in sorted(near, key=lambda one: (not one.mends, one.order)):
        reports = _reports(search, candidate, settings)
        if len(reports) == len(SEEDS):
            return candidate, reports[-1]
    return None


def _reports(search: Search, candidate: Candidate, settings: Settings) -> Sequence[Report]:
    """The reports on runs under a candidate, up to the first that raises an alarm."""
    reports: list[Report] = []
    for seed in SEEDS:
        trial = Trial(candidate.prescription, seed, search.known.steps, observed=True)
        for outcome in search.trials.looked_at([trial]):
            if outcome.ended.well and outcome.recording is not None:
                report = judge(outcome.recording, settings)
                reports += [] if alarms(report) else [report]
        if len(reports) <= SEEDS.index(seed):
            break
    return reports


def alarms(report: Report) -> bool:
    """Whether a report tells of a fault, or saw too little to tell."""
    return report.recording.vitals == () or any(found.severity > Severity.NOTE for found in report.findings)
