"""A comparison as Markdown, for issues, pull requests and notes."""

from collections.abc import Iterator

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.base.visible_text import visible
from gradmedic.render.comparison.screen import broken, counts, heading, legend
from gradmedic.render.comparison.table import Column, columns
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.markdown_text import prose, span
from gradmedic.trials.comparison.comparison import Comparison, Standing


def written(comparison: Comparison, lang: str = "en") -> str:
    """The verdict, the ranking as a table, and who lost the gradient's decades."""
    return "\n".join(_lines(visible(comparison), lang)).strip() + "\n"


def _lines(found: Comparison, lang: str) -> Iterator[str]:
    yield from (f"# {prose(heading(found, lang))}", "", f"**{prose(say(found.verdict, lang))}**", "")
    numbers, pictures = columns(found, lang, UNICODE)
    yield from _table([*numbers, *pictures], len(found.standings))
    yield ""
    yield from (f"- {prose(line)}" for line in (*legend(found, lang), *broken(found, lang)))
    yield f"- {say(Message('{trials} runs in {seconds} s.', counts(found)), lang)}"
    if found.interrupted:
        yield f"- {translator(lang)('Interrupted: this is what was known so far.')}"
    if any(one.checkup.looks for one in found.standings):
        yield from ("", f"## {translator(lang)('Who gained or lost the gradient, in decades')}", "")
        yield from _ledgers(found, lang)


def _table(shown: list[Column], rows: int) -> Iterator[str]:
    yield f"| {' | '.join(column.heading for column in shown)} |"
    yield f"|{'|'.join('---:' if column.right else '---' for column in shown)}|"
    for row in range(rows):
        yield f"| {' | '.join(_cell(column, row) for column in shown)} |"


def _cell(column: Column, row: int) -> str:
    cell = column.cells[row].strip()
    return span(cell) if column.picture and cell else prose(cell)


def _ledgers(found: Comparison, lang: str) -> Iterator[str]:
    """The ledger by kind of operation, at the first look and at the last one."""
    _ = translator(lang)
    kinds = list(dict.fromkeys(kind for one in found.standings for look in one.checkup.looks for kind in look.kinds))
    heads = [_("activation"), _("start"), _("step"), *map(_, kinds), _("sum")]
    yield f"| {' | '.join(heads)} |"
    yield f"|---|---|{'---:|' * (len(heads) - 2)}"
    for one in found.standings:
        yield from (f"| {' | '.join(map(prose, row))} |" for row in _ledger(one, kinds))


def _ledger(one: Standing, kinds: list[str]) -> Iterator[list[str]]:
    for look in one.checkup.looks:
        sizes = [f"{look.kinds[kind]:+.1f}" if kind in look.kinds else "" for kind in kinds]
        yield [one.entrant.activation, one.entrant.start, str(look.step), *sizes, f"{sum(look.kinds.values()):+.1f}"]
