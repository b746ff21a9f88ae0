"""A prediction on one screen."""

from collections.abc import Iterator, Sequence
from math import isfinite, log10, nan

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.text_layout import cropped, padded, wrapped
from gradmedic.base.visible_text import visible
from gradmedic.prediction.prediction import PredictedOperation, Prediction, Range
from gradmedic.render.glyphs import Glyphs, emit, glyphs_for
from gradmedic.render.layer_ranges import folded
from gradmedic.render.report.phrases import sums
from gradmedic.render.report.text import plainly

ROWS = 12
STYLES = {"vanishes": "bold red", "explodes": "bold red", "unclear": "bold yellow", "fine": "bold green"}


def text(prediction: Prediction, lang: str = "en") -> str:
    """The prediction as a terminal of 80 columns would show it, without color."""
    return plainly(lambda console: show(prediction, lang, console))


def show(prediction: Prediction, lang: str, console: Console) -> None:
    """Print the screen of a prediction."""
    screen = PredictionScreen(visible(prediction), lang, min(max(console.width, 60), 100), glyphs_for(console.encoding))
    emit(console, *screen.lines(), soft_wrap=True)


class PredictionScreen:
    """One prediction in one language at one width."""

    def __init__(self, prediction: Prediction, lang: str, width: int, glyphs: Glyphs) -> None:
        self._prediction = prediction
        self._lang = lang
        self._width = width
        self._glyphs = glyphs

    def lines(self) -> Iterator[Text]:
        """The screen from top to bottom."""
        yield self._head()
        yield from self._prose(" ".join([self.sentence(), *self._measured()]))
        yield Text()
        yield from self._table()
        if (ledger := self._prediction.ledger) is not None:
            yield from self._prose(sums(ledger, self._lang))
        yield from self._beside()
        yield from self._doubts()

    def _(self, text: str) -> str:
        return translator(self._lang)(text)

    def _init(self, name: str) -> str:
        _ = self._
        return {"as it is": _("as it is"), "given": _("given"), "critical": _("critical")}.get(name, name)

    def _prose(self, text: str, style: str = "") -> list[Text]:
        return [Text(line, style) for line in wrapped(text, self._width)]

    def word(self) -> str:
        """The verdict in a word."""
        _ = self._
        words = {"vanishes": _("vanishes"), "explodes": _("explodes"), "fine": _("fine"), "unclear": _("unclear")}
        return words[self._prediction.verdict]

    def about(self) -> str:
        """What was predicted."""
        found, _ = self._prediction, self._
        return _("{model}, initialized {init}, loss {loss}").format(
            model=found.model, init=self._init(found.init), loss=found.loss or _("none (a gradient of norm one)")
        )

    def _head(self) -> Text:
        found = self._prediction
        mark = {"fine": self._glyphs.healthy, "unclear": self._glyphs.unclear}.get(found.verdict, self._glyphs.critical)
        left, about = f"{mark} {self.word().upper()}", self.about()
        gap = " " * max(2, self._width - cell_len(left) - cell_len(about))
        return Text.assemble((left, STYLES[found.verdict]), (f"{gap}{about}", "dim"))

    def sentence(self) -> str:
        """What becomes of the gradient."""
        found, _ = self._prediction, self._
        if found.verdict == "fine":
            text = _("The gradient keeps its size within {decades} decades between the last layers and the first.")
        elif found.decades < 0:
            text = _("The gradient is to lose {decades} decades between the last layers and the first.")
        else:
            text = _("The gradient is to grow by {decades} decades between the last layers and the first.")
        return text.format(decades=f"{abs(found.decades):.1f}")

    def _measured(self) -> Iterator[str]:
        """How many of the measured gradients are where they were expected."""
        layers, _ = self._prediction.measured, self._
        if layers:
            inside = sum(not _is_off(layer) for layer in layers)
            text = _("Of {all} measured gradients {inside} lie where 95 % of initializations are to be.")
            rest = "" if inside == len(layers) else " " + _("Rows with others are marked with *.")
            yield text.format(all=len(layers), inside=inside) + rest

    def _columns(self) -> Iterator[tuple[str, list[str]]]:
        """The title of each column, and its cells: where sizes were measured, these in the place of the ranges."""
        layers, beside, _ = self._prediction.layers, self._prediction.recommended, self._
        measured = bool(self._prediction.measured)
        yield _("signal"), _sizes(layers, "value")
        if measured:
            yield _("measured"), _sizes(layers, "measured_value")
        yield _("gradient"), _sizes(layers, "grad")
        if measured:
            yield _("measured"), _marked(layers)
        else:
            yield _("95 % of inits"), _ranges(layers)
        if beside is not None:
            title = _("gradient if {init}").format(init=self._init(beside.init))
            yield title, _sizes(_as(beside.layers, layers), "grad")

    def _table(self) -> Iterator[Text]:
        """One row per layer, or per run of layers, the input's end on top."""
        layers = self._prediction.layers
        if not layers:
            return
        columns = list(self._columns())
        titles = [self._("layer"), *(title for title, _ in columns)]
        rows = [[name, *cells] for name, *cells in zip(_names(layers), *(cells for _, cells in columns), strict=True)]
        room = max(12, self._width - sum(_widest(titles, rows, i) + 2 for i in range(1, len(titles))))
        for row in [titles, *rows]:
            first = padded(cropped(row[0], room), room)
            rest = (cell.rjust(_widest(titles, rows, i) + 2) for i, cell in enumerate(row[1:], 1))
            yield Text(f"{first}{''.join(rest)}", "dim" if row is titles else "")

    def _beside(self) -> Iterator[Text]:
        other, _ = self._prediction.recommended, self._
        if other is None:
            return
        text = _("Initialized {init}: the gradient changes by {decades} decades, the signal by {signal}.")
        told = text.format(
            init=self._init(other.init), decades=f"{other.decades:+.1f}", signal=f"{other.signal_decades:+.1f}"
        )
        yield from self._prose(told)

    def _doubts(self) -> Iterator[Text]:
        _ = self._
        if not self._prediction.reliable:
            yield from self._prose(_("Not to be relied on:"), "yellow")
        for reason in self._prediction.reasons:
            yield from self._prose(f"- {say(reason, self._lang)}")
        for note in self._prediction.notes:
            yield from self._prose(f"- {say(note, self._lang)}", "dim")


def _names(layers: Sequence[PredictedOperation]) -> list[str]:
    return [name for name, _, _ in folded([(layer.site.name, 1.0) for layer in layers], ROWS)]


def _sizes(layers: Sequence[PredictedOperation | None], what: str) -> list[str]:
    """The middle of a size for each row, the geometric mean where layers are taken together."""
    return [short(size) for _, size, _ in folded([("", _middle(layer, what)) for layer in layers], ROWS)]


def _middle(layer: PredictedOperation | None, what: str) -> float:
    found = getattr(layer, what) if layer is not None else None
    return found.middle if isinstance(found, Range) else nan if found is None else float(found)


def _is_off(layer: PredictedOperation) -> bool:
    return None not in (layer.grad, layer.measured_grad) and layer.measured_grad not in layer.grad  # type: ignore[operator]


def _marked(layers: Sequence[PredictedOperation]) -> list[str]:
    """The measured gradients, with an asterisk where one of a row is not where it should be."""
    off = folded([("", float(_is_off(layer))) for layer in layers], ROWS, geometric=False)
    sizes = _sizes(layers, "measured_grad")
    return [f"{size}{'*' if share else ' '}" for size, (_, share, _) in zip(sizes, off, strict=True)]


def _ranges(layers: Sequence[PredictedOperation]) -> list[str]:
    low = folded([("", layer.grad.low if layer.grad else 0.0) for layer in layers], ROWS)
    high = folded([("", layer.grad.high if layer.grad else 0.0) for layer in layers], ROWS)
    return [f"{short(a)} to {short(b)}" for (_, a, _), (_, b, _) in zip(low, high, strict=True)]


def _as(others: Sequence[PredictedOperation], layers: Sequence[PredictedOperation]) -> list[PredictedOperation | None]:
    """The operations of another prediction, for each layer the one of the same site."""
    known = {operation.site.id: operation for operation in others}
    return [known.get(layer.site.id) for layer in layers]


def short(size: float) -> str:
    """A size with two or three digits; a dash where there is none."""
    if size != size:
        return "-"
    if not isfinite(size):
        return "inf"
    return f"{size:.1e}" if size and not -2 <= log10(size) < 3 else f"{size:.3g}"


def _widest(titles: Sequence[str], rows: Sequence[Sequence[str]], column: int) -> int:
    return max(cell_len(row[column]) for row in [titles, *rows])
