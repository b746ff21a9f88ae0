"""Everything there is to say about one run, in one value, which is all that a renderer gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from gradmedic.base.views import view
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.loss_progress import LossProgress
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Recording


@dataclass(frozen=True)
class Report:
    """Findings, the cause first, with the recording that they were drawn from."""

    recording: Recording
    findings: tuple[Finding, ...] = ()
    progress: Mapping[int, LossProgress] = field(default_factory=dict)
    failing: tuple[int, ...] = ()
    """The streams whose loss is no better in the end than it was."""

    @property
    def worst(self) -> Severity | None:
        """The severity of the most severe finding, if there is any."""
        return max((finding.severity for finding in self.findings), default=None)

    @property
    def verdict(self) -> str:
        """ "sick", "healthy", or "unclear": too little was seen to say, or nothing was found and it does not learn."""
        if self.worst is not None and self.worst >= Severity.WARNING:
            return "sick"
        return "healthy" if self.recording.captures and not self.failing else "unclear"

    @cached_property
    def ledger(self) -> Ledger | None:
        """The ledger of the first capture down to the deepest weight, where the findings point."""
        ledgers = [ledger for capture in self.recording.captures for ledger in capture.ledgers]
        return ledgers[0] if ledgers else None

    @property
    def lang(self) -> str:
        """The language that the run was started in."""
        settings = self.recording.run.get("settings") or {}
        return str(settings.get("lang") or "en")

    def to_json(self, lang: str | None = None) -> str:
        """The report as JSON, by the schema `gradmedic.report/1`."""
        return view(self, "json", lang or self.lang)

    def to_html(self, lang: str | None = None) -> str:
        """The report as one page for a browser."""
        return view(self, "page", lang or self.lang)

    def __str__(self) -> str:
        return view(self, "text", self.lang)

    def _repr_html_(self) -> str:
        return view(self, "html", self.lang)
