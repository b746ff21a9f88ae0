"""The report as Markdown, for issues, pull requests and the summary of a CI run."""

from collections.abc import Iterator
from typing import ClassVar

from gradmedic.base.locale import say, translator
from gradmedic.base.visible_text import visible
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.render import Renderer
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.markdown_text import fenced, prose, span
from gradmedic.render.report import phrases
from gradmedic.render.report.pictures import picture

WIDTH, ROWS = 76, 8


class MarkdownFile(Renderer):
    """Every finding in full under a heading of its own, the cause first."""

    name: ClassVar[str] = "markdown"
    suffix: ClassVar[str] = ".md"

    def render(self, report: Report, lang: str) -> str:
        return "\n".join(_lines(visible(report), lang)).strip() + "\n"


def _lines(report: Report, lang: str) -> Iterator[str]:
    _ = translator(lang)
    worst = report.worst or Severity.NOTE
    words_of = {
        "sick": f"{UNICODE.mark(worst)} {_(worst.name)}",
        "healthy": f"{UNICODE.healthy} {_('HEALTHY')}",
        "unclear": f"{UNICODE.unclear} {_('UNCLEAR')}",
    }
    yield from (f"# gradmedic: {words_of[report.verdict]}", "")
    if report.verdict == "unclear":
        yield from (prose(phrases.missing(report, lang)), "")
    if report.verdict == "healthy":
        yield from (prose(" · ".join(phrases.health(report, lang))), "")
    script = phrases.script(report)
    yield _(", ").join([span(script)] * bool(script) + phrases.counts(report, lang))
    yield from (f"- {prose(remark)}" for remark in phrases.remarks(report, lang))
    for finding in report.findings:
        yield from _finding(report, finding, lang, 2)


def _finding(report: Report, finding: Finding, lang: str, level: int) -> Iterator[str]:
    _ = translator(lang)
    mark = UNICODE.mark(finding.severity)
    yield ""
    yield f"{'#' * level} {mark} {_(finding.severity.name)}{_(': ')}{prose(phrases.title(finding.rule, lang))}"
    yield from ("", f"**{_('Verdict')}** {prose(say(finding.message, lang))} · {phrases.since(finding, lang)}", "")
    if finding.places:
        yield from (*_places(report, finding, lang), "")
    yield from (f"**{_('Why')}** {prose(say(finding.why, lang))}", "")
    if level == 2 and finding.severity > Severity.NOTE:
        yield from _picture(report, finding, lang)
    yield from _proof(report, finding, lang)
    yield from _next(finding, lang)
    for consequence in finding.consequences:
        yield from _finding(report, consequence, lang, level + 1)


def _places(report: Report, finding: Finding, lang: str) -> Iterator[str]:
    for place in finding.places:
        where = ", ".join(span(part) for part in (phrases.name_of(place, lang), phrases.spot(place)) if part)
        source = phrases.source_line(report, place)
        yield f"- {where}" + (f": {span(source)}" if source else "")


def _picture(report: Report, finding: Finding, lang: str) -> Iterator[str]:
    caption, lines = picture(report, finding, lang, WIDTH, ROWS, UNICODE)
    if lines:
        yield from (prose(caption), "", *fenced([line.plain.rstrip() for line in lines], "text"), "")


def _proof(report: Report, finding: Finding, lang: str) -> Iterator[str]:
    ledger = phrases.ledger_of(report, finding)
    if ledger and phrases.about_size(finding):
        yield f"- {prose(phrases.sums(ledger, lang))}"
        if theory := phrases.theory(report, ledger, lang):
            yield f"- {prose(theory)}"
    yield from (f"- {prose(line)}" for line in phrases.evidence(finding, lang))


def _next(finding: Finding, lang: str) -> Iterator[str]:
    if finding.next:
        yield from ("", f"**{translator(lang)('Next')}**", "")
    for at, cure in enumerate(finding.next, 1):
        yield f"{at}. {prose(say(cure.act, lang))}"
        if cure.code:
            yield from ("", *fenced(cure.code.strip("\n").split("\n"), "python", "   "))
