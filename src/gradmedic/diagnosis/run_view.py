"""What two runs are compared by: verdict, findings, losses and gradients, of a report or of its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.loss_progress import LossProgress, progress
from gradmedic.diagnosis.report import Report

Sizes = Sequence[tuple[str, float]]


@dataclass(frozen=True)
class RunView:
    """One run; what its source does not tell is empty.

    `losses` are (step, loss) pairs of the first stream, `gradients` the (layer, rms) pairs that arrive, by the
    step of the capture, and `criterion` the operations that end in the loss.
    """

    name: str
    verdict: str
    findings: Mapping[str, Severity]
    progress: LossProgress
    losses: Sequence[tuple[int, float]] = ()
    gradients: Mapping[int, Sizes] = field(default_factory=dict)
    criterion: frozenset[str] = frozenset()

    @property
    def severity(self) -> int:
        """How severe the worst finding is; 0 without any that needs acting on."""
        return max((severity for severity in self.findings.values() if severity > Severity.NOTE), default=0)


def view_of_report(name: str, report: Report) -> RunView:
    """The view of a report with its whole recording."""
    recording = report.recording
    stream = min(recording.streams, default=0)
    losses = recording.losses(stream)
    tail = (site.op for site in recording.in_order(stream) if site.kind == "loss")
    return RunView(
        name,
        report.verdict,
        {finding.rule: finding.severity for finding in report.findings},
        progress(losses),
        losses,
        {capture.step: recording.arriving(capture) for capture in recording.captures_of(stream)},
        frozenset(tail),
    )


def view_of_document(name: str, document: Mapping[str, Any], series: Mapping[str, Any]) -> RunView:
    """The view of a report that was written as JSON; `series` are the curves of a page, if it was one.

    Raises `KeyError`, `TypeError` or `ValueError` for what is no report.
    """
    findings = {str(row["rule"]): Severity[str(row["severity"]).upper()] for row in document["findings"]}
    first: Mapping[str, Any] = next(iter(document["progress"]), {})
    known = LossProgress(
        str(first.get("state", "unclear")),
        _number(first.get("first")),
        _number(first.get("last")),
        _number(first.get("best")),
        float(first.get("noise", 0.0)),
        int(first.get("steps", 0)),
    )
    curves = series.get("charts", {}).get("loss", {}).get("curves", [])
    losses = [(int(step), float(loss)) for step, loss in (curves[0] if curves else [])]
    return RunView(name, str(document["verdict"]), findings, known, losses)


def _number(value: Any) -> float | None:
    """A number as JSON has it: what is not finite is text there, and counts as not known."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
