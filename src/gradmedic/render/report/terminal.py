"""The screen: verdict, why, and what to do next, on one page of a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.text_layout import cropped, fitting, padded, wrapped
from gradmedic.base.visible_text import visible
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.render.glyphs import Glyphs, can_say, emit, glyphs_for
from gradmedic.render.report import phrases
from gradmedic.render.report.pictures import picture

NARROWEST, WIDEST = 60, 100

TALLEST = 24
"""Lines of the smallest usual terminal: the first screen is to fit in."""

FEWEST_ROWS = 4

STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "dim"}


def show(report: Report, lang: str, console: Console) -> None:
    """Print the screen of a report, with no more color and no other signs than the console can take.

    Where it is no terminal, the last line is one for programs, the same in every language.
    """
    encoding = console.encoding
    if not can_say(translator(lang)("Verdict"), encoding):
        lang = "en"
    screen = ReportScreen(visible(report), lang, min(max(console.width, NARROWEST), WIDEST), glyphs_for(encoding))
    last = [] if console.is_terminal else [Text(phrases.for_programs(screen.report))]
    emit(console, *screen.lines(), *last, soft_wrap=True)


@dataclass(frozen=True)
class ReportScreen:
    """One report in one language at one width."""

    report: Report
    lang: str
    width: int
    glyphs: Glyphs

    def lines(self) -> Iterator[Text]:
        """The screen from top to bottom."""
        if self.report.verdict == "sick":
            yield from self._sick()
        elif self.report.verdict == "healthy":
            yield from self._healthy()
        else:
            yield from self._unclear()

    def _(self, text: str) -> str:
        return translator(self.lang)(text)

    @property
    def _gutter(self) -> int:
        return max(map(cell_len, (self._("Verdict"), self._("Why"), self._("Next"), self._("Also")))) + 2

    @property
    def _room(self) -> int:
        return self.width - self._gutter

    def _sick(self) -> Iterator[Text]:
        finding = next(found for found in self.report.findings if found.severity > Severity.NOTE)
        verdict, why, ledger = self._verdict(finding), self._prose(say(finding.why, self.lang)), self._ledger(finding)
        cures, others, numbers = list(self._cures(finding)), list(self._others(finding)), self._numbers(finding)
        left = TALLEST - sum(map(len, (verdict, why, ledger, cures, others))) - 5
        if left - len(numbers) >= FEWEST_ROWS:
            left -= len(numbers)
        else:  # the picture says more
            numbers = []
        chart = self._picture(finding, min(max(left, FEWEST_ROWS), 7))
        yield from (*self._labeled(self._("Verdict"), verdict), Text())
        yield from (*self._labeled(self._("Why"), [*why, *chart, *ledger, *numbers]), Text())
        yield from self._labeled(self._("Next"), cures)
        yield from self._labeled(self._("Also"), others)
        yield from [Text()] if cures or others else []
        yield from self._footer(finding.rule)
        yield from self._remarks()

    def _labeled(self, label: str, lines: Sequence[Text]) -> Iterator[Text]:
        """The label in a gutter of its own, so that the eye finds all of them at once."""
        for line in lines:
            yield Text.assemble((padded(label, self._gutter), "bold"), line)
            label = ""

    def _prose(self, text: str, style: str = "") -> list[Text]:
        return [Text(line, style) for line in wrapped(text, self._room)]

    def _verdict(self, finding: Finding) -> list[Text]:
        mark = f"{self.glyphs.mark(finding.severity)} {self._(finding.severity.name)}"
        name, since = phrases.title(finding.rule, self.lang), phrases.since(finding, self.lang)
        gap = " " * max(2, self._room - cell_len(mark + name + since) - 2)
        head = Text.assemble((mark, STYLES[finding.severity]), (f"  {name}{gap}", "bold"), (since, "dim"))
        return [head, *self._prose(say(finding.message, self.lang), "bold"), *self._place(finding)]

    def _place(self, finding: Finding) -> Iterator[Text]:
        """Where to look first, with the user's own line; how many other places there are."""
        for place in finding.places[:1]:
            others = len(finding.places) - 1
            name = phrases.name_of(place, self.lang)
            name = self._("{name} and {n} more").format(name=name, n=others) if others else name
            where = fitting(filter(None, (name, phrases.spot(place))), self._room, "  ")
            source = phrases.source_line(self.report, place)
            line = f"{where} {self.glyphs.edge} {source}" if source else where
            yield Text(cropped(line, self._room), "cyan")

    def _picture(self, finding: Finding, rows: int) -> list[Text]:
        caption, lines = picture(self.report, finding, self.lang, self._room, rows, self.glyphs)
        return [*self._prose(caption, "dim"), *lines] if lines else []

    def _ledger(self, finding: Finding) -> list[Text]:
        ledger = phrases.ledger_of(self.report, finding) if phrases.about_size(finding) else None
        if ledger is None:
            return []
        theory = phrases.theory(self.report, ledger, self.lang)
        return self._prose(phrases.sums(ledger, self.lang)) + (self._prose(theory, "dim") if theory else [])

    def _numbers(self, finding: Finding) -> list[Text]:
        numbers = phrases.evidence(finding, self.lang)
        return self._prose(self._(", ").join(numbers), "dim") if numbers else []

    def _cures(self, finding: Finding) -> Iterator[Text]:
        """What to do, and the code for it: on the same line where there is room."""
        for at, cure in enumerate(finding.next, 1):
            lines = [Text(line) for line in wrapped(say(cure.act, self.lang), self._room - 3)]
            code = [Text(line, "green") for line in self._code(cure)]
            if len(code) == 1 and lines[-1].cell_len + code[0].cell_len + 5 <= self._room:
                lines[-1].append("  ").append_text(code.pop())
            for line in (*lines, *code):
                yield Text.assemble((f"{at}. ", "bold") if line is lines[0] else "   ", line)

    def _code(self, cure: Cure) -> Iterator[str]:
        """The lines to paste; where one is too long its comment goes before it."""
        for line in cure.code.strip("\n").splitlines():
            code, mark, comment = line.partition("  # ")
            if mark and len(line) + 3 > self._room:
                yield f"{line[: len(line) - len(line.lstrip())]}# {comment}"
                line = code
            yield line

    def _others(self, finding: Finding) -> Iterator[Text]:
        """One line for each consequence and each further finding."""
        for other in (finding, *(found for found in self.report.findings if found is not finding)):
            if other is not finding:
                yield self._line(other, self._(other.severity.name))
            for consequence in other.consequences:
                yield self._line(consequence, self._("consequence"))

    def _line(self, finding: Finding, word: str) -> Text:
        head = f"{self.glyphs.mark(finding.severity)} {word} {self._(finding.rule)}{self._(': ')}"
        message = cropped(say(finding.message, self.lang), self._room - cell_len(head))
        return Text.assemble(
            (head, STYLES[finding.severity]), (message, "dim" if finding.severity is Severity.NOTE else "")
        )

    def _footer(self, rule: str = "") -> Iterator[Text]:
        """What was seen, and the command that says more; on two lines where one is too narrow."""
        told = fitting(phrases.counts(self.report, self.lang), self.width, self._(", "))
        command = f"gradmedic explain {rule}" if rule else ""
        gap = self.width - cell_len(told) - cell_len(command)
        yield Text.assemble((told, "dim"), " " * gap + command if command and gap >= 2 else "")
        if command and gap < 2:
            yield Text(command)

    def _healthy(self) -> Iterator[Text]:
        script = phrases.script(self.report)
        verdict = self._("no gradient problem found in {script}") if script else self._("no gradient problem found")
        head = f"{self.glyphs.healthy} {self._('HEALTHY')}  "
        yield Text.assemble((head, "bold green"), (verdict.format(script=script), "bold"))
        evidence = fitting(phrases.health(self.report, self.lang), self.width)
        yield Text(evidence or self._("the gradients stayed finite at every capture"))
        yield from self._footer()
        yield from self._notes()

    def _unclear(self) -> Iterator[Text]:
        head = f"{self.glyphs.unclear} {self._('UNCLEAR')}  "
        first, *rest = wrapped(phrases.missing(self.report, self.lang), self.width - cell_len(head))
        yield Text.assemble((head, "bold yellow"), (first, "bold"))
        yield from (Text(" " * cell_len(head) + line, "bold") for line in rest)
        evidence = fitting(list(phrases.health(self.report, self.lang))[1:], self.width)
        yield from [Text(evidence)] if evidence else []
        yield from self._footer()
        yield from self._notes()

    def _notes(self) -> Iterator[Text]:
        for finding in self.report.findings:
            head = f"{self.glyphs.note} {self._('NOTE')} {self._(finding.rule)}{self._(': ')}"
            yield Text(cropped(head + say(finding.message, self.lang), self.width), "dim")
        yield from self._remarks()

    def _remarks(self) -> Iterator[Text]:
        for remark in phrases.remarks(self.report, self.lang):
            yield Text(cropped(f"{self.glyphs.note} {remark}", self.width), "dim")
