"""The page of a prediction: the range of every signal and gradient, with what was measured in it."""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite, nan

from markupsafe import Markup

from gradmedic.prediction.prediction import PredictedOperation, Prediction
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.layer_ranges import folded
from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.bars import span
from gradmedic.render.page.bilingual import in_all, sentence, text
from gradmedic.render.page.section import PageCell, PageTable, Section, Story, Verdict, number_cell
from gradmedic.render.prediction.json import document
from gradmedic.render.prediction.screen import PredictionScreen, short

ROWS = 48
"""Rows of the table; a deeper network is folded."""

STYLES = {"vanishes": "critical", "explodes": "critical", "unclear": "unclear", "fine": "healthy"}
Part = Callable[[PredictedOperation], float | None]


def prediction_story(found: Prediction, lang: str) -> Story:
    """A prediction as verdict and sections; the title is in one language, all else in those that are shown."""
    mark = {"fine": UNICODE.healthy, "unclear": UNICODE.unclear}.get(found.verdict, UNICODE.critical)
    verdict = Verdict(
        STYLES[found.verdict],
        mark,
        in_all(lambda lang: _screen(found, lang).word().upper()),
        in_all(lambda lang: _screen(found, lang).sentence()),
    )
    return Story(
        f"gradmedic predict: {found.model}",
        verdict,
        list(_sections(found)),
        in_all(lambda lang: _screen(found, lang).about()),
        list(_remarks(found)),
        {"prediction": document(found, "en")},
    )


def _screen(found: Prediction, lang: str) -> PredictionScreen:
    return PredictionScreen(found, lang, 80, UNICODE)


def _remarks(found: Prediction) -> Iterator[Markup]:
    if not found.reliable:
        yield text(lambda _: _("Not to be relied on:"))
    yield from (sentence(one) for one in (*found.reasons, *found.notes))


def _sections(found: Prediction) -> Iterator[Section]:
    layers = found.layers
    if layers:
        note = text(lambda _: _("A bar is where 95 % of initializations are to lie; a tick is what was measured."))
        yield Section(text(lambda _: _("Signals and gradients, input first")), [note], _table(layers))
    if found.ledger is not None:
        kinds = found.ledger.by_kind()
        rows = [
            [PageCell(text(lambda _, it=str(kind): _(it))), number_cell(f"{decades:+.2f}")]  # type: ignore[misc]
            for kind, decades in kinds.items()
        ]
        heads = [text(lambda _: _("kind")), text(lambda _: _("decades"))]
        yield Section(text(lambda _: _("The ledger: who changed the gradient's size")), table=PageTable(heads, rows))


def _table(layers: Sequence[PredictedOperation]) -> PageTable:
    """A row for each layer, or run of layers: each size in numbers, and its range on one scale of decades."""
    measured = any(layer.measured_grad is not None for layer in layers)
    columns = [_Sizes(layers, "value", "signal"), _Sizes(layers, "grad", "range")]
    names = [name for name, _, _ in folded([(layer.site.name, 1.0) for layer in layers], ROWS)]
    rows = [
        [PageCell(name), *(cell for column in columns for cell in column.cells(at, measured))]
        for at, name in enumerate(names)
    ]
    heads: list[Markup | str] = [text(lambda _: _("layer"))]
    for title in ("signal (rms)", "gradient (rms)"):
        heads.append(text(lambda _, it=title: _(it)))  # type: ignore[misc]
        heads += [text(lambda _: _("measured"))] if measured else []
        heads.append("")
    return PageTable(heads, rows)


class _Sizes:
    """One size of all layers: its ranges, what was measured, and the scale that holds both."""

    def __init__(self, layers: Sequence[PredictedOperation], what: str, style: str) -> None:
        def series(part: Callable[[PredictedOperation], float | None]) -> list[float]:
            numbers = [("", nan if (size := part(layer)) is None else size) for layer in layers]
            return [size for _, size, _ in folded(numbers, ROWS)]

        def end(name: str) -> list[float]:
            return series(lambda layer: getattr(getattr(layer, what), name, None))

        self.middle, self.low, self.high = end("middle"), end("low"), end("high")
        self.measured = series(lambda layer: getattr(layer, f"measured_{what}"))
        sizes = [*self.low, *self.high, *self.measured]
        self.scale: ChartAxis = axis([size for size in sizes if isfinite(size) and size > 0], log=True)
        self.style = style

    def cells(self, at: int, measured: bool) -> Iterator[PageCell]:
        """The number, what was measured, and the drawing."""
        yield number_cell(short(self.middle[at]))
        if measured:
            yield number_cell(short(self.measured[at]))
        yield PageCell(self._drawing(at), "barred")

    def _drawing(self, at: int) -> Markup:
        low, high = self.scale.at(self.low[at]), self.scale.at(self.high[at])
        if low is None or high is None:
            return Markup()
        tick = self.scale.at(self.measured[at])
        return span(low, high, self.style, *([] if tick is None else [tick]))
