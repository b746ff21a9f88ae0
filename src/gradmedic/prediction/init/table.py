"""The changes of an initialization as a small table: weights that were treated alike share a row."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.cells import cell_len

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.base.text_layout import padded
from gradmedic.prediction.init.change import WeightChange, WeightStatistics

MOST = 24
"""Rows of a table."""


def table(method: str, how: Message, changes: Sequence[WeightChange], lang: str) -> str:
    """What was done to which weights, on some twenty lines."""
    _ = translator(lang)
    head = say(Message("{method}: {count} weights, {how}", {"method": method, "count": len(changes), "how": how}), lang)
    rows = list(_rows(changes, lang))
    titles = (_("weights"), _("size before"), _("after"), _("drawn"), _("why"))
    shown = [titles, *rows[:MOST]]
    widths = [max(cell_len(row[i]) for row in shown) for i in range(len(titles))]
    lines = ["  ".join(map(padded, row, widths)).rstrip() for row in shown]
    if len(rows) > MOST:
        lines.append(_("and {count} more rows").format(count=len(rows) - MOST))
    return "\n".join([head, *lines])


def _rows(changes: Sequence[WeightChange], lang: str) -> Iterator[tuple[str, ...]]:
    groups: dict[object, list[WeightChange]] = {}
    for change in changes:
        groups.setdefault((change.name.rpartition(".")[2], str(change.why), change.after.drawn), []).append(change)
    for group in groups.values():
        first, name = group[0], _name([change.name for change in group])
        before, after = _sizes([c.before for c in group]), _sizes([c.after for c in group])
        yield name, before, after, first.after.drawn, say(first.why, lang)


def _name(names: Sequence[str]) -> str:
    """One name for several: the same where they are, with ranges of numbers, and `*` for anything else."""
    if len(names) == 1:
        return names[0]
    split = [name.split(".") for name in names]
    if len({len(parts) for parts in split}) > 1:
        return f"{names[0]} … {names[-1]} ({len(names)})"
    return f"{'.'.join(_part(parts) for parts in zip(*split, strict=True))} ({len(names)})"


def _part(parts: Sequence[str]) -> str:
    kinds = set(parts)
    if len(kinds) == 1:
        return parts[0]
    numbers = sorted(int(part) for part in kinds if part.isdigit())
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) == len(kinds) else "*"


def _sizes(laws: Sequence[WeightStatistics]) -> str:
    """The standard deviation, or where it differs its range; the mean beside it where it is not nothing."""
    said = [text for text, _ in groupby(sorted({_size(law) for law in laws}, key=_number))]
    return said[0] if len(said) == 1 else f"{said[0]} … {said[-1]}"


def _size(law: WeightStatistics) -> str:
    if law.std == 0:
        return f"={law.mean:.3g}"
    return f"{law.std:.3g}" if abs(law.mean) < 3 * law.std else f"{law.mean:.3g}±{law.std:.3g}"


def _number(text: str) -> float:
    return float(text.lstrip("=").partition("±")[0])
