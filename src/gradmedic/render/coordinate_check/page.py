"""The page of a coordinate check: exponents of width, and every size drawn over the widths."""

from collections.abc import Iterator, Sequence
from math import isfinite, log

from markupsafe import Markup

from gradmedic.prediction.coordinate_check import CoordinateCheck, ScaledLayer, Sizes
from gradmedic.render.coordinate_check.json import document
from gradmedic.render.coordinate_check.screen import CoordinateScreen, exponents, power
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.bars import spark
from gradmedic.render.page.bilingual import in_all, sentence, text
from gradmedic.render.page.section import PageCell, PageTable, Section, Story, Verdict, number_cell

STYLES = {"carries over": "healthy", "grows": "critical", "fades": "unclear", "unclear": "unclear"}


def coordinate_story(check: CoordinateCheck, lang: str) -> Story:
    """A coordinate check as verdict and sections; the title is in one language, all else in those that are shown."""
    mark = {"carries over": UNICODE.healthy, "grows": UNICODE.critical}.get(check.verdict, UNICODE.unclear)
    verdict = Verdict(
        STYLES[check.verdict],
        mark,
        in_all(lambda lang: _screen(check, lang).word().upper()),
        in_all(lambda lang: _screen(check, lang).sentence()),
    )
    title = text(lambda _: _("Sizes over width, input first"))
    section = Section(title, [in_all(lambda lang: _screen(check, lang).legend())], _table(check))
    return Story(
        f"gradmedic predict --widths: {check.model}",
        verdict,
        [section] if check.layers else [],
        in_all(lambda lang: _screen(check, lang).about()),
        list(_remarks(check)),
        {"coordinate_check": document(check, "en")},
    )


def _screen(check: CoordinateCheck, lang: str) -> CoordinateScreen:
    return CoordinateScreen(check, lang, 80, UNICODE)


def _remarks(check: CoordinateCheck) -> Iterator[Markup]:
    if not check.reliable:
        yield in_all(lambda lang: _screen(check, lang).doubt())
    yield from (sentence(reason) for reason in check.reasons)


def _table(check: CoordinateCheck) -> PageTable:
    """A row for each layer: of each size the exponent, and its curve over the widths."""
    heads: list[Markup | str] = [text(lambda _: _("layer"))]
    for title in ("signal", "gradient", "update"):
        heads += [text(lambda _, it=title: _(it)), ""]  # type: ignore[misc]
    every = zip(*map(_sizes_of, check.layers), strict=True)
    scales = [_scale([size for sizes in column for size in sizes]) for column in every]
    rows = []
    for layer in check.layers:
        row = [PageCell(layer.name)]
        for found, sizes, scale in zip(exponents(layer), _sizes_of(layer), scales, strict=True):
            row += [number_cell(power(found)), PageCell(_curve(check.widths, sizes, scale), "barred")]
        rows.append(row)
    return PageTable(heads, rows)


def _sizes_of(layer: ScaledLayer) -> tuple[Sizes, Sizes, Sizes]:
    return layer.signal, layer.grad, layer.update


def _scale(sizes: Sequence[float | None]) -> ChartAxis:
    return axis([size for size in sizes if size is not None and isfinite(size)], log=True)


def _curve(widths: Sequence[float], sizes: Sizes, scale: ChartAxis) -> Markup:
    """Both axes are logarithmic, so that an exponent is a straight line."""
    low, high = log(widths[0]), log(widths[-1])
    places = [(log(width) - low) / (high - low) for width in widths]
    heights = [None if size is None else scale.at(size) for size in sizes]
    return spark(list(zip(places, heights, strict=True)))
