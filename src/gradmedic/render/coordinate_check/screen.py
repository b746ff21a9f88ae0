"""A coordinate check on one screen: the exponent of width in each size, and the sizes of updates drawn over widths."""

from collections.abc import Iterator, Sequence
from math import log10, nan

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.text_layout import cropped, padded, wrapped
from gradmedic.base.visible_text import visible
from gradmedic.prediction.coordinate_check import CoordinateCheck, ScaledLayer, Sizes
from gradmedic.render.glyphs import Glyphs, emit, glyphs_for
from gradmedic.render.report.text import plainly
from gradmedic.render.sparklines import spark

ROWS = 40
STYLES = {"carries over": "bold green", "grows": "bold red", "fades": "bold yellow", "unclear": "bold yellow"}


def text(check: CoordinateCheck, lang: str = "en") -> str:
    """The check as a terminal of 80 columns would show it, without color."""
    return plainly(lambda console: show(check, lang, console))


def show(check: CoordinateCheck, lang: str, console: Console) -> None:
    """Print the screen of a coordinate check."""
    width, glyphs = min(max(console.width, 60), 100), glyphs_for(console.encoding)
    emit(console, *CoordinateScreen(visible(check), lang, width, glyphs).lines(), soft_wrap=True)


class CoordinateScreen:
    """One check in one language at one width."""

    def __init__(self, check: CoordinateCheck, lang: str, width: int, glyphs: Glyphs) -> None:
        self._check = check
        self._lang = lang
        self._width = width
        self._glyphs = glyphs

    def lines(self) -> Iterator[Text]:
        """The screen from top to bottom."""
        yield self._head()
        yield from self._prose(self.sentence())
        yield Text()
        yield from self._table()
        yield from self._prose(self.legend(), "dim")
        if not self._check.reliable:
            yield from self._prose(self.doubt(), "yellow")
        for reason in self._check.reasons:
            yield from self._prose(f"- {say(reason, self._lang)}")

    def _(self, text: str) -> str:
        return translator(self._lang)(text)

    def _prose(self, text: str, style: str = "") -> list[Text]:
        return [Text(line, style) for line in wrapped(text, self._width)]

    def word(self) -> str:
        """The verdict in a word or two."""
        _ = self._
        words = {"carries over": _("carries over"), "grows": _("grows"), "fades": _("fades"), "unclear": _("unclear")}
        return words[self._check.verdict]

    def about(self) -> str:
        """What was checked."""
        check = self._check
        low, high = (f"{width:g}" for width in (check.widths[0], check.widths[-1]))
        return self._("{model}, {optimizer}, loss {loss}, widths {low} to {high}").format(
            model=check.model, optimizer=check.optimizer, loss=check.loss, low=low, high=high
        )

    def _head(self) -> Text:
        verdict, glyphs = self._check.verdict, self._glyphs
        mark = {"carries over": glyphs.healthy, "grows": glyphs.critical}.get(verdict, glyphs.unclear)
        left, about = f"{mark} {self.word().upper()}", self.about()
        gap = " " * max(2, self._width - cell_len(left) - cell_len(about))
        return Text.assemble((left, STYLES[verdict]), (f"{gap}{about}", "dim"))

    def sentence(self) -> str:
        """What that means for the learning rate."""
        check, _ = self._check, self._
        if check.verdict == "unclear":
            return _("No update is known at two widths or more.")
        if check.verdict == "carries over":
            return _("Nothing grows with width and no update fades: a learning rate carries over from width to width.")
        if check.verdict == "fades":
            layer = check.fading[0]
            told = _("One step moves {layer} by width^{exponent}: wide networks do not learn there at the same rate.")
            return told.format(layer=layer.name, exponent=power(layer.update_exponent))
        if not check.growing:
            told = _("One step changes the loss by width^{exponent}: the learning rate has to fall with width.")
            return told.format(exponent=power(check.loss_exponent))
        layer = check.growing[0]
        if (layer.signal_exponent or 0.0) > (layer.update_exponent or 0.0):
            told = _("The signal of {layer} grows as width^{exponent}: it is initialized too large for wide networks.")
            return told.format(layer=layer.name, exponent=power(layer.signal_exponent))
        told = _("One step moves {layer} by width^{exponent}: its learning rate has to fall as the network gets wider.")
        return told.format(layer=layer.name, exponent=power(layer.update_exponent))

    def legend(self) -> str:
        """What the numbers are."""
        return self._(
            "Numbers are exponents of width: 0 keeps its size. An update is how far the first step of the optimizer"
            " moves a layer's result along its gradient; it is drawn over the widths, in decades."
        )

    def doubt(self) -> str:
        """How far reasons not to rely on sizes go."""
        return self._("Sizes are not to be relied on, exponents less affected:")

    def _table(self) -> Iterator[Text]:
        """One row per layer, the input's end on top."""
        _, layers = self._, self._check.layers[:ROWS]
        titles = [_("layer"), _("signal"), _("gradient"), _("update"), ""]
        rows = [[layer.name, *map(power, exponents(layer)), self._drawn(layer.update)] for layer in layers]
        wide = [max(cell_len(row[i]) for row in [titles, *rows]) for i in range(1, 5)]
        room = max(12, min(self._width - sum(wide) - 8, max((cell_len(row[0]) for row in [titles, *rows]), default=0)))
        for row in [titles, *rows]:
            cells = "".join(cell.rjust(wide[i] + 2) for i, cell in enumerate(row[1:]))
            yield Text(f"{padded(cropped(row[0], room), room)}{cells}", "dim" if row is titles else "")
        if len(self._check.layers) > ROWS:
            yield Text(self._("and {number} more").format(number=len(self._check.layers) - ROWS), "dim")

    def _drawn(self, sizes: Sizes) -> str:
        """The sizes over the widths, on the scale that all rows share: half of it up and half of it down."""
        logs = [nan if size is None else log10(size) for size in sizes]
        known = [log for log in logs if log == log]
        middle = (max(known) + min(known)) / 2 if known else 0.0
        return spark(logs, middle - self._reach, middle + self._reach, self._glyphs)

    @property
    def _reach(self) -> float:
        return max(decades(self._check.layers), 1.0) / 2


def exponents(layer: ScaledLayer) -> tuple[float | None, float | None, float | None]:
    """Those of signal, gradient and update."""
    return layer.signal_exponent, layer.grad_exponent, layer.update_exponent


def decades(layers: Sequence[ScaledLayer]) -> float:
    """The most that an update changes by over all widths."""
    found = [[log10(size) for size in layer.update if size is not None] for layer in layers]
    return max((max(logs) - min(logs) for logs in found if logs), default=0.0)


def power(found: float | None) -> str:
    """An exponent with two digits; a dash where there is none."""
    return "-" if found is None else f"{found + 0.0:+.2f}" if abs(found) >= 0.005 else "0.00"
