"""The report for a workflow of GitHub's: annotations at the user's lines, and the summary of the step.

Annotations are lines that the runner reads in what a step prints, on either stream; ten of a kind at most are shown
(GitHub, "Workflow commands").
"""

import os
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from gradmedic.base.locale import say
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.render.report.markdown import MarkdownFile
from gradmedic.render.report.phrases import shown_path

OUTPUT = "github"
"""What `-o` is given in the place of a file."""

MOST = 10
LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def announce(report: Report, lang: str, stream: TextIO) -> None:
    """Print the annotations, and add the report to the summary where the runner has named a file for it."""
    for line in annotations(report, lang):
        print(line, file=stream, flush=True)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(summary, "a", encoding="utf-8") as file:
            file.write(MarkdownFile().render(report, lang))


def annotations(report: Report, lang: str) -> Iterator[str]:
    """A line for each finding, consequences included, the causes first."""
    count: Counter[str] = Counter()
    causes = report.findings
    for finding in (*causes, *(effect for cause in causes for effect in cause.consequences)):
        level = LEVELS[finding.severity]
        count[level] += 1
        if count[level] <= MOST:
            yield f"::{level} {_where(finding)}::{_data(say(finding.message, lang))}"


def _where(finding: Finding) -> str:
    place = next((place for place in finding.places if place.file and place.line), None)
    title = f"title={_property('gradmedic: ' + finding.rule)}"
    return title if place is None else f"file={_property(shown_path(str(place.file)))},line={place.line},{title}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
