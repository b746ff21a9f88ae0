"""The page of a report: what the template is filled with."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from markupsafe import Markup

from gradmedic.base.locale import translator
from gradmedic.base.visible_text import visible
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Capture
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.numbers import number
from gradmedic.render.page.bilingual import in_all, only, sentence, text
from gradmedic.render.page.curves import Chart
from gradmedic.render.page.document import fragment, page
from gradmedic.render.page.heat_map import SPECIAL, HeatMap, scale
from gradmedic.render.page.section import chart_words, languages
from gradmedic.render.report import phrases
from gradmedic.render.report.json import document
from gradmedic.render.report.page import maps as maps_of
from gradmedic.render.report.page import network, run_charts, waterfall
from gradmedic.render.report.pictures import capture_for

TEMPLATE = "report/page/report.html.j2"

PLACES = 3
"""Places that a card shows with their source; the others are named."""


def report_page(report: Report, lang: str, news: Markup | str = "", live: bool = False) -> str:
    """The report as a page that opens in one language and holds all; `news` of a run that goes on stand on top."""
    shown = visible(report)
    parts = _parts(shown) | {"news": news}
    data = {"report": document(report, "en"), "series": _series(parts["charts"], parts["maps"])}
    return page(TEMPLATE, data, live, lang=lang, languages=languages(), title=_title(shown, lang), **parts)


def report_fragment(report: Report, lang: str) -> str:
    """The same for the output of a notebook's cell."""
    with only(lang):
        return fragment(TEMPLATE, lang, news="", **_parts(visible(report)))


def _parts(report: Report) -> dict[str, Any]:
    finding = next((found for found in report.findings if found.severity > Severity.NOTE), None)
    capture = _capture(report, finding)
    ledger = phrases.ledger_of(report, finding) if finding else report.ledger
    rows = network.rows(report.recording, capture, report.findings) if capture else []
    return {
        "verdict": _verdict(report),
        "script": phrases.script(report),
        "counts": in_all(lambda lang: translator(lang)(", ").join(phrases.counts(report, lang))),
        "remarks": _remarks(report),
        "findings": [_card(report, found) for found in report.findings],
        "rows": network.table(rows),
        "has": {
            "signal": any(row.signal is not None for row in rows),
            "dead": any(row.dead is not None for row in rows),
            "saturated": any(row.saturated is not None for row in rows),
        },
        "stages": waterfall.stages(ledger, report.recording) if ledger else [],
        "ledger_sum": in_all(lambda lang: phrases.sums(ledger, lang)) if ledger else "",
        "ledger_theory": in_all(lambda lang: phrases.theory(report, ledger, lang)) if ledger else "",
        "charts": list(run_charts.charts(report)),
        "maps": list(maps_of.maps(report.recording, capture.stream)) if capture else [],
        "facts": list(_facts(report)),
        "words": _words(capture),
    }


def _series(charts: list[Chart], maps: list[HeatMap]) -> dict[str, Any]:
    """The numbers that the script shows."""
    return {
        "charts": {chart.id: chart.data() for chart in charts},
        "maps": {found.id: found.data() for found in maps},
        "palette": [(red << 16) + (green << 8) + blue for red, green, blue in scale()],
        "zero": _color(SPECIAL[1]),
        "lost": _color(SPECIAL[2]),
    }


def _color(rgba: tuple[int, int, int, int]) -> int:
    return (rgba[0] << 16) + (rgba[1] << 8) + rgba[2]


def _capture(report: Report, finding: Finding | None) -> Capture | None:
    """The capture that shows the finding, else the last one."""
    captures = report.recording.captures
    if finding is not None:
        return capture_for(report, finding)
    return captures[-1] if captures else None


def _title(report: Report, lang: str) -> str:
    state = {"sick": (report.worst or Severity.NOTE).name, "healthy": "HEALTHY", "unclear": "UNCLEAR"}[report.verdict]
    parts = (
        f"gradmedic: {translator(lang)(state)}",
        *(found.rule for found in report.findings[:1]),
        phrases.script(report),
    )
    return " · ".join(filter(None, parts))


def _verdict(report: Report) -> dict[str, Any]:
    if report.verdict == "healthy":
        return {
            "style": "healthy",
            "mark": UNICODE.healthy,
            "word": text(lambda _: _("HEALTHY")),
            "headline": text(lambda _: _("no gradient problem found")),
            "evidence": in_all(lambda lang: " · ".join(phrases.health(report, lang))),
        }
    if report.verdict == "unclear":
        return {
            "style": "unclear",
            "mark": UNICODE.unclear,
            "word": text(lambda _: _("UNCLEAR")),
            "headline": in_all(lambda lang: phrases.missing(report, lang)),
            "evidence": in_all(lambda lang: " · ".join(phrases.health(report, lang))),
        }
    worst = next(found for found in report.findings if found.severity > Severity.NOTE)
    return {
        "style": worst.severity.word,
        "mark": UNICODE.mark(worst.severity),
        "word": text(lambda _: _(worst.severity.name)),
        "headline": in_all(lambda lang: phrases.title(worst.rule, lang)),
        "evidence": "",
    }


def _remarks(report: Report) -> list[Markup]:
    count = len(phrases.remarks(report, "en"))
    return [in_all(lambda lang, at=at: phrases.remarks(report, lang)[at]) for at in range(count)]  # type: ignore[misc]


def _card(report: Report, finding: Finding) -> dict[str, Any]:
    ledger = phrases.ledger_of(report, finding) if phrases.about_size(finding) else None
    return {
        "rule": finding.rule,
        "style": finding.severity.word,
        "mark": UNICODE.mark(finding.severity),
        "severity": text(lambda _: _(finding.severity.name)),
        "title": in_all(lambda lang: phrases.title(finding.rule, lang)),
        "since": in_all(lambda lang: phrases.since(finding, lang)),
        "message": sentence(finding.message),
        "why": sentence(finding.why),
        "places": list(_places(report, finding)),
        "more": [place.name for place in finding.places[PLACES:]],
        "ledger": _about_ledger(report, ledger),
        "evidence": in_all(lambda lang: translator(lang)(", ").join(phrases.evidence(finding, lang))),
        "next": [(sentence(cure.act), cure.code.strip("\n")) for cure in finding.next],
        "consequences": [_card(report, consequence) for consequence in finding.consequences],
    }


def _about_ledger(report: Report, ledger: Ledger | None) -> Markup | str:
    if ledger is None:
        return ""
    return in_all(
        lambda lang: " · ".join(filter(None, (phrases.sums(ledger, lang), phrases.theory(report, ledger, lang))))
    )


def _places(report: Report, finding: Finding) -> Iterator[dict[str, Any]]:
    """The first places, those on one line of the user's together."""
    for spot, places in groupby(finding.places[:PLACES], key=phrases.spot):
        together = list(places)
        line = phrases.source_line(report, together[0])
        yield {
            "names": [in_all(lambda lang, place=place: phrases.name_of(place, lang)) for place in together],  # type: ignore[misc]
            "spot": spot,
            "source": [(together[0].line, line, True)] if line else [],
        }


def _facts(report: Report) -> Iterator[tuple[Markup, str]]:
    """What is known of the run, in the order in which one asks."""
    run, tallies = report.recording.run, report.recording.tallies
    command = " ".join(str(word) for word in run.get("argv") or ())
    optimizers = ", ".join(f"{it.name} ({it.parameters})" for _, it in sorted(report.recording.optimizers.items()))
    known = (
        (text(lambda _: _("command")), command),
        (text(lambda _: _("ended")), str(run.get("ending") or "")),
        (text(lambda _: _("optimizers (tensors)")), optimizers),
        (text(lambda _: _("seconds")), number(round(tallies["seconds"], 1)) if "seconds" in tallies else ""),
        (
            text(lambda _: _("seconds for gradmedic")),
            number(round(tallies["spent"], 2)) if "spent" in tallies else "",
        ),
        (
            text(lambda _: _("versions")),
            ", ".join(f"{key} {run[key]}" for key in ("gradmedic", "torch", "python") if run.get(key)),
        ),
    )
    yield from ((name, value) for name, value in known if value)


def _words(capture: Capture | None) -> dict[str, Markup]:
    """The page's own words."""
    step = capture.step if capture else 0
    return chart_words() | {
        "why": text(lambda _: _("Why")),
        "next": text(lambda _: _("Next")),
        "colon": text(lambda _: _(": ")),
        "consequence": text(lambda _: _("consequence")),
        "more_places": text(lambda _: _("further places")),
        "network": text(lambda _: _("The network, input first")),
        "network_note": text(
            lambda _: _("At step {step}, on logarithmic scales; a tick shows what theory expected.").format(step=step)
        ),
        "layer": text(lambda _: _("layer")),
        "operation": text(lambda _: _("operation")),
        "gradient": text(lambda _: _("gradient (rms)")),
        "signal": text(lambda _: _("signal (rms)")),
        "pace": text(lambda _: _("update ratio")),
        "dead": text(lambda _: _("dead units")),
        "saturated": text(lambda _: _("saturated")),
        "ledger": text(lambda _: _("The ledger: who changed the gradient's size")),
        "kind": text(lambda _: _("kind")),
        "decades": text(lambda _: _("decades")),
        "expected": text(lambda _: _("expected")),
        "so_far": text(lambda _: _("sum")),
        "over_time": text(lambda _: _("The run over time")),
        "maps": text(lambda _: _("Layer by layer over time")),
        "zero": text(lambda _: _("exactly zero")),
        "nothing": text(lambda _: _("not measured")),
        "captures": text(lambda _: _("step (a column is a capture)")),
        "facts": text(lambda _: _("The run")),
    }
