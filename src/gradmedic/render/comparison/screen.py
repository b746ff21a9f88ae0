"""The screen of a comparison: the ranking with its pictures, the verdict, and how to read them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.base.text_layout import wrapped
from gradmedic.base.visible_text import visible
from gradmedic.render.comparison.table import ENDED, Column, columns, end, span
from gradmedic.render.glyphs import Glyphs, can_say, emit, glyphs_for
from gradmedic.render.report.phrases import shown_path
from gradmedic.render.report.terminal import NARROWEST, WIDEST
from gradmedic.render.report.text import plainly
from gradmedic.render.treatment.screen import clock
from gradmedic.trials.budget import Budget
from gradmedic.trials.comparison.comparison import Comparison
from gradmedic.trials.search.treatment_result import unit_of

GAP = "  "


def show(comparison: Comparison, lang: str, console: Console) -> None:
    """Print the screen, with no more color and no other signs than the console can take."""
    if not can_say(translator(lang)("Verdict"), console.encoding):
        lang = "en"
    screen = ComparisonScreen(
        visible(comparison), lang, min(max(console.width, NARROWEST), WIDEST), glyphs_for(console.encoding)
    )
    emit(console, *screen.lines(), soft_wrap=True)


def text(comparison: Comparison, lang: str) -> str:
    """The screen as a terminal of 80 columns would show it, without color."""
    return plainly(lambda console: show(comparison, lang, console))


@dataclass(frozen=True)
class ComparisonScreen:
    """One comparison in one language at one width."""

    comparison: Comparison
    lang: str
    width: int
    glyphs: Glyphs

    def lines(self) -> Iterator[Text]:
        """The screen from top to bottom."""
        yield from (Text(line, "dim") for line in wrapped(heading(self.comparison, self.lang), self.width))
        yield Text()
        yield from self._table()
        yield Text()
        mark = self.glyphs.healthy if self.comparison.best.effect.proved else self.glyphs.note
        yield from (Text(line, "bold") for line in wrapped(f"{mark} {self._verdict}", self.width))
        yield from (Text(line, "dim") for told in self._told() for line in wrapped(told, self.width))

    @property
    def _verdict(self) -> str:
        return say(self.comparison.verdict, self.lang)

    def _table(self) -> Iterator[Text]:
        """One line for each activation, or two where that is too wide."""
        numbers, pictures = columns(self.comparison, self.lang, self.glyphs)
        if self._width([*numbers, *pictures]) <= self.width:
            groups = [[*numbers, *pictures]]
        else:
            groups = [numbers, [Column("", ("",) * len(self.comparison.standings)), *pictures]]
        yield from (self._line(group, None) for group in groups)
        for row in range(len(self.comparison.standings)):
            yield from (line for group in groups if (line := self._line(group, row)))

    def _width(self, group: Sequence[Column]) -> int:
        return sum(map(_width, group)) + len(GAP) * (len(group) - 1)

    def _line(self, group: Sequence[Column], row: int | None) -> Text:
        """The headings, or one row."""
        line = Text(style="dim" if row is None else "bold" if row == 0 else "")
        for column in group:
            cell = column.heading if row is None else column.cells[row]
            space = " " * (_width(column) - cell_len(cell))
            style = "cyan" if column.picture and row is not None else ""
            line.append(f"{space}{cell}" if column.right else f"{cell}{space}", style).append(GAP)
        line.rstrip()
        return line

    def _told(self) -> Iterator[str]:
        """How to read the table, what became of those that broke, and what it took."""
        found = self.comparison
        yield " · ".join(legend(found, self.lang))
        yield from (f"{self.glyphs.note} {line}" for line in broken(found, self.lang))
        if found.interrupted:
            yield translator(self.lang)("Interrupted: this is what was known so far.")
        yield say(Message("{trials} runs in {seconds} s.", counts(found)), self.lang)


def _width(column: Column) -> int:
    return max(map(cell_len, (column.heading, *column.cells)), default=0)


def heading(found: Comparison, lang: str) -> str:
    """What was compared, where, and over how much."""
    values = {
        "subject": shown_path(found.subject),
        "own": " + ".join(found.own),
        "places": found.places,
        "steps": found.length,
        "seeds": len(found.seeds),
    }
    return say(Message("{subject}: {own} at {places} places · {steps} steps · {seeds} seeds", values), lang)


def legend(found: Comparison, lang: str) -> Iterator[str]:
    """How to read the table."""
    _ = translator(lang)
    if any(one.tied and one.held for one in found.standings):
        yield _("= shares its place: cannot be told apart within the noise (95 %)")
    unit = unit_of(found.scale.unit)
    yield say(Message("better by: {unit}, seed by seed against the script as it is", {"unit": unit}), lang)
    if any(one.entrant.rate != 1.0 for one in found.standings):
        yield _("rate: the best of those tried, as a factor of the script's own, chosen with another seed")
    yield _("time: of a step, the network's own activation being 1")
    if any(one.checkup.looks for one in found.standings):
        text = (
            "gradient by depth: input first, at the first and the last look; "
            "a full cell is the largest, an empty one {n} decades less"
        )
        yield say(Message(text, {"n": f"{span(found.standings):.0f}"}), lang)


def broken(found: Comparison, lang: str) -> Iterator[str]:
    """What became of the runs that did not come to their end."""
    for one in found.standings:
        run = next((run for run in one.runs if not run.ended.well), None)
        if run is not None:
            told = (say_label(one.entrant.label, lang), translator(lang)(ENDED[run.ended]), run.error)
            yield translator(lang)(": ").join(filter(None, told))
    lost = [
        one.entrant.activation for one in found.standings if not one.held and all(run.ended.well for run in one.runs)
    ]
    if lost and all(one.entrant.rate == 1.0 for one in found.standings):
        text = (
            "{names}: the loss was lost. The learning rate may be too high for them: "
            "--rates 1,0.3,0.1 chooses one each."
        )
        yield say(Message(text, {"names": ", ".join(dict.fromkeys(lost))}), lang)


def say_label(label: Message | str, lang: str) -> str:
    """A label in a language."""
    return label if isinstance(label, str) else say(label, lang)


def counts(found: Comparison) -> dict[str, object]:
    """How many runs there were, and how long they took."""
    return {"trials": found.trials, "seconds": f"{found.seconds:.0f}"}


class ComparisonProgress(Protocol):
    """What is told of a comparison that goes on."""

    @property
    def budget(self) -> Budget:
        """How much time there is."""

    @property
    def wanted(self) -> int:
        """Runs that are to be made."""

    @property
    def done(self) -> int:
        """Runs that are known."""

    @property
    def found(self) -> Comparison:
        """What is known so far."""


def told(progress: ComparisonProgress, lang: str) -> str:
    """How far a comparison is, and what is best so far, in one line."""
    budget, best = progress.budget, progress.found.best
    runs = say(Message("{n} of {wanted} runs", {"n": progress.done, "wanted": progress.wanted}), lang)
    parts = ["gradmedic compare", runs, f"{clock(budget.spent)}/{clock(budget.seconds)}"]
    values = {"best": best.entrant.label, "end": end(progress.found, best, lang)}
    return visible(" · ".join([*parts, say(Message("best so far: {best}, {end}", values), lang)]))
