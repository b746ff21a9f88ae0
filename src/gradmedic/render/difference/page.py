"""The page of two runs side by side: what changed, the losses at equal steps, and the gradient by layer."""

from collections.abc import Iterator, Sequence
from math import isfinite, isnan, nan

from markupsafe import Markup

from gradmedic.base.locale import translator
from gradmedic.diagnosis.difference import Difference, RunChange
from gradmedic.render.difference.json import document
from gradmedic.render.difference.screen import NAMES, size
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.layer_ranges import folded
from gradmedic.render.numbers import number
from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.bars import bar
from gradmedic.render.page.bilingual import in_all, sentence, text
from gradmedic.render.page.curves import Chart, ChartLine, Mark
from gradmedic.render.page.section import PageCell, PageTable, Section, Story, Verdict, number_cell
from gradmedic.render.report.phrases import title

ROWS = 48
"""Layers that have a row; of a deeper network neighbors are taken together."""

STYLES = {RunChange.IMPROVED: "healthy", RunChange.WORSE: "critical"}


def difference_story(found: Difference, lang: str) -> Story:
    """Two runs side by side as verdict and sections; the title is in one language, all else in those that are shown."""
    improved = found.change is RunChange.IMPROVED
    verdict = Verdict(
        STYLES.get(found.change, "unclear"),
        UNICODE.healthy if improved else UNICODE.note,
        text(lambda _: _(NAMES[found.change])),
        sentence(found.reason),
    )
    facts = Markup("A <code>{}</code> · B <code>{}</code>").format(found.first.name, found.second.name)
    heading = f"gradmedic diff: {translator(lang)(NAMES[found.change])}"
    return Story(heading, verdict, list(_sections(found)), facts, list(_remarks(found)), {"diff": document(found)})


def _remarks(found: Difference) -> Iterator[Markup]:
    for label, findings in (("gone", found.gone), ("new", found.new)):
        for rule, severity in findings.items():

            def told(lang: str, label: str = label, rule: str = rule, word: str = severity.name) -> str:
                _ = translator(lang)
                return f"{_(label)}{_(': ')}{_(word)} {title(rule, lang)}"

            yield in_all(told)
    if found.parted is not None:
        yield text(lambda _: _("the losses part at step {step}").format(step=found.parted))
    if found.layer:
        yield text(lambda _: _("the first layer that differs: {layer}").format(layer=found.layer))


def _sections(found: Difference) -> Iterator[Section]:
    chart = _losses(found)
    if chart.drawn:
        rows = [[PageCell(str(step)), number_cell(number(a)), number_cell(number(b))] for step, a, b in found.losses]
        heads = [text(lambda _: _("step")), "A", "B"]
        yield Section(text(lambda _: _("Loss")), table=PageTable(heads, rows) if rows else None, charts=[chart])
    if found.gradients:
        yield Section(text(lambda _: _("gradient (rms)")), table=_gradients(found.gradients))


def _losses(found: Difference) -> Chart:
    lines = [ChartLine(Markup("A"), "one", found.first.losses), ChartLine(Markup("B"), "two", found.second.losses)]
    parting = text(lambda _: _("the losses part"))
    marks = [Mark(found.parted, parting)] if found.parted is not None else []
    return Chart("loss", text(lambda _: _("loss")), lines, marks=marks)


def _gradients(rows: Sequence[tuple[str, float | None, float | None]]) -> PageTable:
    """The gradient by layer, both runs on one scale of decades."""
    first = folded([(name, _known(a)) for name, a, _ in rows], ROWS)
    second = folded([(name, _known(b)) for name, _, b in rows], ROWS)
    pairs = list(zip(first, second, strict=True))
    sizes = [value for (_, a, _), (_, b, _) in pairs for value in (a, b) if isfinite(value) and value > 0]
    scale = axis(sizes, log=True)
    heads: list[Markup | str] = [text(lambda _: _("layer")), "A", "", "B", ""]
    return PageTable(
        heads, [[PageCell(name), *_cells(a, scale), *_cells(b, scale)] for (name, a, _), (_, b, _) in pairs]
    )


def _known(value: float | None) -> float:
    return nan if value is None else value


def _cells(value: float, scale: ChartAxis) -> Iterator[PageCell]:
    level = scale.at(value)
    yield number_cell(size(None if isnan(value) else value))
    yield PageCell(Markup() if level is None else bar(level), "barred")
