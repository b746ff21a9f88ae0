"""The screen of two runs side by side."""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.visible_text import visible
from gradmedic.diagnosis.difference import Difference, RunChange
from gradmedic.render.glyphs import can_say, emit, glyphs_for
from gradmedic.render.numbers import number
from gradmedic.render.report.phrases import title
from gradmedic.render.report.text import plainly

MOST = 24
"""Layers that are shown; the first ones of a deep network."""

STYLES = {RunChange.IMPROVED: "bold green", RunChange.WORSE: "bold red"}


def show(found: Difference, lang: str, console: Console) -> None:
    """Print what changed, and the numbers that show it."""
    if not can_say(translator(lang)("Verdict"), console.encoding):
        lang = "en"
    emit(console, *_pieces(visible(found), lang, console))


def text(found: Difference, lang: str) -> str:
    """The screen as a terminal of 80 columns would show it, without color."""
    return plainly(lambda console: show(found, lang, console))


def _(text: str) -> str:
    """Mark a text for the catalog where it stands in a table; it is translated where it is used."""
    return text


NAMES = {
    RunChange.IMPROVED: _("IMPROVED"),
    RunChange.WORSE: _("WORSE"),
    RunChange.SAME: _("THE SAME"),
    RunChange.NOT_COMPARABLE: _("NOT COMPARABLE"),
}


def _pieces(found: Difference, lang: str, console: Console) -> Iterator[RenderableType]:
    tr = translator(lang)
    glyphs = glyphs_for(console.encoding)
    mark = glyphs.healthy if found.change is RunChange.IMPROVED else glyphs.note
    yield Text.assemble(
        (f"{mark} {tr(NAMES[found.change])}  ", STYLES.get(found.change, "bold")), (say(found.reason, lang), "bold")
    )
    yield Text(f"A  {found.first.name}\nB  {found.second.name}")
    for label, findings in ((translator(lang)("gone"), found.gone), (translator(lang)("new"), found.new)):
        for rule, severity in findings.items():
            yield Text(f"{label}{tr(': ')}{glyphs.mark(severity)} {tr(severity.name)} {title(rule, lang)}")
    if found.parted is not None:
        where = translator(lang)("the losses part at step {step}").format(step=found.parted)
        layer = translator(lang)("; first layer that differs: {layer}").format(layer=found.layer) if found.layer else ""
        yield Text(where + layer, "dim")
    if found.losses:
        yield _table([tr("step"), "A", "B"], [(str(step), number(a), number(b)) for step, a, b in found.losses])
    if found.gradients:
        yield _table(
            [translator(lang)("gradient (rms)"), "A", "B"],
            [(name, size(a), size(b)) for name, a, b in found.gradients[:MOST]],
        )


def size(value: float | None) -> str:
    """A size with two digits; a dash where it was not measured."""
    return "-" if value is None else f"{value:.1e}" if value else "0"


def _table(head: list[str], rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for at, name in enumerate(head):
        table.add_column(name, justify="right" if at else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
