"""The table of a comparison: a row for each activation, with small pictures in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, log10

from gradmedic.base.locale import translator
from gradmedic.render.glyphs import Glyphs
from gradmedic.render.report.pictures import FLAT
from gradmedic.render.sparklines import by_depth, fall, spark
from gradmedic.trials.comparison.comparison import SCRIPT, Comparison, Standing, as_loss
from gradmedic.trials.loss_curves import thinned
from gradmedic.trials.search.treatment_result import ending

LOSS, DEPTH = 10, 8
"""Cells of a loss curve, and of a gradient by depth."""


@dataclass(frozen=True)
class Column:
    """One column: its heading, a cell for each row, and how it stands."""

    heading: str
    cells: tuple[str, ...]
    right: bool = False
    picture: bool = False


def columns(comparison: Comparison, lang: str, glyphs: Glyphs) -> tuple[list[Column], list[Column]]:
    """The columns of numbers, and those of pictures and shares, which may go on a line of their own."""
    return list(_numbers(comparison, lang)), list(_pictures(comparison, lang, glyphs))


def _numbers(comparison: Comparison, lang: str) -> Iterator[Column]:
    def _(text: str) -> str:
        return translator(lang)(text)

    rows, starts = comparison.standings, {SCRIPT: _("script's"), "right": _("right")}
    yield Column("", tuple(place(one) for one in rows), right=True)
    yield Column(_("activation"), tuple(one.entrant.activation for one in rows))
    if len({one.entrant.start for one in rows}) > 1:
        yield Column(_("start"), tuple(starts[one.entrant.start] for one in rows))
    if any(one.entrant.rate != 1.0 for one in rows):
        yield Column(_("rate"), tuple(f"{one.entrant.rate:g}" for one in rows), right=True)
    heading = _("metric") if comparison.scale.goal else _("final loss")
    yield Column(heading, tuple(end(comparison, one, lang) for one in rows), right=True)
    yield Column(_("better by"), tuple(map(gained, rows)), right=True)
    yield Column(_("time"), tuple(_ratio(comparison, one) for one in rows), right=True)


def _pictures(comparison: Comparison, lang: str, glyphs: Glyphs) -> Iterator[Column]:
    def _(text: str) -> str:
        return translator(lang)(text)

    rows = comparison.standings
    yield Column(_("loss"), tuple(_losses(rows, glyphs)), picture=True)
    yield Column(_("gradient by depth"), tuple(_gradients(rows, glyphs)), picture=True)
    for heading, name in ((_("dead"), "dead"), (_("flat"), "saturated")):
        cells = tuple(_share(one, name) for one in rows)
        if any(cells):
            yield Column(heading, cells, right=True)


def place(one: Standing) -> str:
    """The place, with a sign where somebody else shares it; none for what broke."""
    if not one.held:
        return "–"  # noqa: RUF001 (a dash)
    return f"{one.place}{'=' if one.tied else ' '}"


def end(comparison: Comparison, one: Standing, lang: str) -> str:
    """Where its runs ended, or what became of them."""
    broken = next((run for run in one.runs if not run.ended.well), None)
    if broken is not None:
        return translator(lang)(ENDED[broken.ended])
    if comparison.scale.goal is not None:
        return f"{as_loss(one.level[0], comparison.scale):.4g}" if one.held else ""
    return ending(one.runs)


def gained(one: Standing) -> str:
    """How much better it ended than the script as it is, and how sure that is."""
    found = one.effect
    if one.entrant.is_control or not one.held:
        return ""
    sure = f" ± {found.high - found.mean:.2f}" if len(found.pairs) > 1 else ""
    return f"{found.mean:+.2f}{sure}"


def _ratio(comparison: Comparison, one: Standing) -> str:
    ratio = comparison.ratio(one)
    return f"{ratio:.2f}" if ratio is not None else ""


def _share(one: Standing, name: str) -> str:
    looks = one.checkup.looks
    share = getattr(looks[-1], name) if looks else None
    return f"{share:.0%}" if share is not None else ""


def _losses(rows: Sequence[Standing], glyphs: Glyphs) -> Iterator[str]:
    """The loss of the first stream over the steps, all rows on one scale: in decades where it is positive."""
    drawn = [next((list(thinned(curve.mean, LOSS)) for curve in one.curves.values()), []) for one in rows]
    finite = [value for values in drawn for value in values if isfinite(value)]
    logarithmic = bool(finite) and min(finite) > 0
    sizes = [log10(value) for value in finite] if logarithmic else finite
    for values in drawn:
        levels = [log10(value) if logarithmic and isfinite(value) else value for value in values]
        yield spark(levels, min(sizes, default=0.0), max(sizes, default=0.0), glyphs)


def span(rows: Sequence[Standing]) -> float:
    """Decades that the pictures of gradients by depth stand for."""
    return max([FLAT, *(fall(look.depth) for one in rows for look in one.checkup.looks)])


def _gradients(rows: Sequence[Standing], glyphs: Glyphs) -> Iterator[str]:
    """The gradient by depth at the first look and at the last one."""
    decades = span(rows)
    for one in rows:
        looks = one.checkup.looks
        shown = [looks[0], looks[-1]] if len(looks) > 1 else looks
        yield " ".join(by_depth(look.depth, DEPTH, decades, glyphs) for look in shown)


def _(text: str) -> str:
    """Mark a text for the catalog where it stands in a table; it is translated where it is used."""
    return text


ENDED = {
    "finished": _("finished"),
    "stopped": _("stopped"),
    "crashed": _("crashed"),
    "timed-out": _("timed out"),
    "out-of-memory": _("out of memory"),
    "killed": _("killed"),
    "refused": _("refused"),
}
