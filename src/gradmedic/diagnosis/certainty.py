"""Which findings of a run that goes on are certain: those that last."""

from collections.abc import Iterable

from gradmedic.diagnosis.finding import Finding

PATIENCE = 10
"""Steps for which a finding must hold, at the least, to be certain."""

FINAL = ("non-finite",)
"""Findings that are certain at once: what is lost does not come back."""


class Certainty:
    """Notes since when each finding has shown.

    A finding that shows at one look is certain once it still shows at every look until the run is
    twice as old, and at least `PATIENCE` steps later.
    """

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def certain(self, findings: Iterable[Finding], step: int) -> list[Finding]:
        """Those of the findings that are certain at this step; a finding that no longer shows begins anew."""
        shown = list(findings)
        self._since = {finding.rule: self._since.get(finding.rule, step) for finding in shown}
        return [found for found in shown if found.rule in FINAL or self._lasts(found.rule, step)]

    def _lasts(self, rule: str, step: int) -> bool:
        since = self._since[rule]
        return step >= since + max(since, PATIENCE)
