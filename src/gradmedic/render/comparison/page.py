"""The page of a comparison: the ranking with intervals and curves, and who lost the gradient's decades."""

from collections.abc import Iterator, Sequence
from math import isfinite

from markupsafe import Markup, escape

from gradmedic.base.messages import Message
from gradmedic.render.comparison.json import document
from gradmedic.render.comparison.screen import broken, counts, heading, legend
from gradmedic.render.comparison.table import columns
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.bars import interval, spark
from gradmedic.render.page.bilingual import in_all, sentence, text
from gradmedic.render.page.loss_charts import STYLES, loss_charts
from gradmedic.render.page.section import PageCell, PageTable, Section, Story, Verdict, number_cell
from gradmedic.trials.comparison.comparison import RIGHT, Comparison, Standing


def comparison_story(found: Comparison, lang: str) -> Story:
    """A comparison as verdict and sections; the title is in one language, all else in those that are shown."""
    proved = found.best.effect.proved if found.standings else False
    verdict = Verdict(
        "healthy" if proved else "unclear",
        UNICODE.healthy if proved else UNICODE.note,
        text(lambda _: _("COMPARED")),
        sentence(found.verdict),
    )
    runs = Message("{trials} runs in {seconds} s.", counts(found))
    return Story(
        f"gradmedic compare: {heading(found, lang)}",
        verdict,
        list(_sections(found)),
        Markup("{} · {}").format(in_all(lambda lang: heading(found, lang)), sentence(runs)),
        list(_remarks(found)),
        {"comparison": document(found, "en")},
    )


def _remarks(found: Comparison) -> Iterator[Markup]:
    for at in range(len(list(broken(found, "en")))):
        yield in_all(lambda lang, at=at: list(broken(found, lang))[at])  # type: ignore[misc]
    if found.interrupted:
        yield text(lambda _: _("Interrupted: this is what was known so far."))


def _sections(found: Comparison) -> Iterator[Section]:
    if not found.standings:
        return
    notes = [in_all(lambda lang, at=at: _legend(found, lang)[at]) for at in range(len(_legend(found, "en")))]  # type: ignore[misc]
    arms = [(_name(one), one.curves) for one in _drawn(found)]
    charts = [chart for chart in loss_charts(arms) if chart.drawn]
    yield Section(text(lambda _: _("The ranking")), notes, _table(found), charts)
    if any(one.checkup.looks for one in found.standings):
        yield Section(text(lambda _: _("Who gained or lost the gradient, in decades")), table=_ledgers(found))


def _legend(found: Comparison, lang: str) -> list[str]:
    """How to read the table; what is said last is about the screen's small pictures, which are drawn here."""
    lines = list(legend(found, lang))
    return lines[:-1] if any(one.checkup.looks for one in found.standings) else lines


def _drawn(found: Comparison) -> list[Standing]:
    """The best, and the script as it is, whose curves are drawn together."""
    best = [one for one in found.standings if not one.entrant.is_control][: len(STYLES) - 1]
    return [*best, *(one for one in found.standings if one.entrant.is_control)]


def _name(one: Standing) -> Markup:
    label = one.entrant.label
    return sentence(label) if isinstance(label, Message) else escape(label)


def _table(found: Comparison) -> PageTable:
    """The numbers of the screen's table, with drawings in place of its pictures."""
    numbers, pictures = columns(found, "en", UNICODE)
    shown = [*numbers, *(column for column in pictures if not column.picture)]
    order = [1, 0, *range(2, len(shown))]  # the name first: it names the row
    heads = [text(lambda _, it=shown[at].heading: _(it) if it else "#") for at in order]  # type: ignore[misc]
    effects, losses, depths = _scales(found.standings)
    rows = []
    for row, one in enumerate(found.standings):
        cells = [PageCell(shown[at].cells[row], "number" if shown[at].right else "") for at in order]
        drawings = (_effect(one, effects), _losses(one, losses), _depth(one, depths))
        rows.append([*cells, *(PageCell(drawing, "barred small") for drawing in drawings)])
    drawn = (lambda _: _("better by (95 %)"), lambda _: _("loss"), lambda _: _("gradient by depth"))
    return PageTable([*heads, *map(text, drawn)], rows, frozenset({0}))


def _scales(rows: Sequence[Standing]) -> tuple[ChartAxis, ChartAxis, ChartAxis]:
    effects = [end for one in rows for end in (one.effect.low, one.effect.high) if isfinite(end)]
    losses = [value for one in rows for curve in list(one.curves.values())[:1] for value in curve.mean]
    depths = [size for one in rows for look in one.checkup.looks[-1:] for _, size in look.depth if size > 0]
    return axis([*effects, 0.0], log=False), axis(losses), axis(depths, log=True)


def _effect(one: Standing, scale: ChartAxis) -> Markup:
    if one.entrant.is_control or not one.held:
        return Markup()
    return interval(scale, one.effect.low, one.effect.high, gained=one.effect.mean > 0)


def _losses(one: Standing, scale: ChartAxis) -> Markup:
    curve = next(iter(one.curves.values()), None)
    if curve is None:
        return Markup()
    last = max(len(curve.mean) - 1, 1)
    return spark([(at / last, scale.at(value)) for at, value in enumerate(curve.mean)])


def _depth(one: Standing, scale: ChartAxis) -> Markup:
    """The gradient that arrives at each layer, input first, at the last look."""
    depth = one.checkup.looks[-1].depth if one.checkup.looks else ()
    last = max(len(depth) - 1, 1)
    return spark([(at / last, scale.at(size)) for at, (_, size) in enumerate(depth)])


def _ledgers(found: Comparison) -> PageTable:
    """The ledger by kind of operation, at the first look and at the last one."""
    kinds = list(dict.fromkeys(kind for one in found.standings for look in one.checkup.looks for kind in look.kinds))
    heads = [text(lambda _, it=it: _(it)) for it in ("activation", "start", "step", *kinds, "sum")]  # type: ignore[misc]
    rows = [_ledger(one, at, kinds) for one in found.standings for at in range(len(one.checkup.looks))]
    return PageTable(heads, rows)


def _ledger(one: Standing, at: int, kinds: Sequence[str]) -> list[PageCell]:
    look = one.checkup.looks[at]
    sizes = [f"{look.kinds[kind]:+.1f}" if kind in look.kinds else "" for kind in kinds]
    start = text(lambda _: _("right") if one.entrant.start == RIGHT else _("script's"))
    numbers = [str(look.step), *sizes, f"{sum(look.kinds.values()):+.1f}"]
    return [PageCell(one.entrant.activation), PageCell(start), *(number_cell(it) for it in numbers)]
