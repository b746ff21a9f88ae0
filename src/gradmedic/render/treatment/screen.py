"""The screen of a treatment: the arms that were run, the best first, the verdict, and what to do with it."""

from collections.abc import Iterator
from io import StringIO
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.base.visible_text import visible
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.report import Report
from gradmedic.render.glyphs import can_say, emit, glyphs_for
from gradmedic.render.report.phrases import title
from gradmedic.trials.budget import Budget
from gradmedic.trials.search.treatment_result import ArmResult, Treatment, ending, label

MOST = 10
"""Arms that are shown; the others are counted."""


class TreatmentProgress(Protocol):
    """What is told of a search that goes on."""

    budget: Budget
    known: Any


def show(treatment: Treatment, lang: str, console: Console, file: str | None = None) -> None:
    """Print the table, the verdict and the next step; `file` is where the prescription has been written to."""
    if not can_say(translator(lang)("Verdict"), console.encoding):
        lang = "en"
    emit(console, *_pieces(visible(treatment), lang, console, visible(file)))


def text(treatment: Treatment, lang: str) -> str:
    """The screen as plain text."""
    console = Console(file=StringIO(), width=100, color_system=None)
    show(treatment, lang, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def _pieces(treatment: Treatment, lang: str, console: Console, file: str | None) -> Iterator[RenderableType]:
    def _(text: str) -> str:
        return translator(lang)(text)

    glyphs = glyphs_for(console.encoding)
    if treatment.lines:
        yield _table(treatment, lang)
        yield Text()
    mark = glyphs.healthy if treatment.chosen or treatment.before.verdict == "healthy" else glyphs.note
    yield Text(f"{mark} {say(treatment.verdict, lang)}", style="bold")
    for sentence in treatment.worsening[treatment.chosen is None and treatment.unmeasured is None :][:2]:
        yield Text(f"  {say(sentence, lang)}")
    if treatment.scale is not None and treatment.scale.measure:
        judged = Message(
            "Judged by {name} as the script prints it. {why}",
            {"name": treatment.scale.measure, "why": treatment.unmeasured or ""},
        )
        yield Text(f"  {say(judged, lang)}")
    if treatment.after is not None:
        yield Text(f"  {_('Diagnosis before')}: {diagnosis(treatment.before, lang)}")
        yield Text(f"  {_('Diagnosis under treatment')}: {diagnosis(treatment.after, lang)}")
    if treatment.interrupted:
        yield Text(f"  {_('Interrupted: this is what was known so far.')}")
    if treatment.trials > 1:
        yield Text(f"  {say(counted(treatment), lang)}", style="dim")
    if file is not None:
        script = treatment.before.recording.run.get("script", "train.py")
        yield Text()
        yield Text(f"  gradmedic run --with {file} {script}", style="cyan")


def told(search: "TreatmentProgress", lang: str) -> str:
    """How far a search is, and what is best so far, in one line."""
    budget, best = search.budget, search.known.best
    parts = ["gradmedic treat", say(Message("{n} runs", {"n": budget.used}), lang)]
    parts.append(f"{clock(budget.spent)}/{clock(budget.seconds)}")
    if best is not None:
        before, after = (ending([arm.runs[0]]) for arm in (search.known.control, best))
        values = {"remedy": label(best.prescription), "before": before, "after": after}
        parts.append(say(Message("best so far: {remedy}, loss {before} → {after}", values), lang))
    return visible(" · ".join(parts))


def clock(seconds: float) -> str:
    """Minutes and seconds, as a clock shows them."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def counted(treatment: Treatment) -> Message:
    """How many runs there were, over how much of the script, and how long they took."""
    values = {"trials": treatment.trials, "seconds": f"{treatment.seconds:.0f}", "steps": treatment.steps or 0}
    if treatment.steps is not None:
        return Message("{trials} runs in {seconds} s, each over the first {steps} steps only.", values)
    return Message("{trials} runs in {seconds} s.", values)


def diagnosis(report: Report, lang: str) -> str:
    """The verdict of a report in a few words: its findings by name, the cause first."""
    alarms = [finding for finding in report.findings if finding.severity > Severity.NOTE]
    if alarms:
        return ", ".join(title(finding.rule, lang) for finding in alarms)
    return translator(lang)("healthy" if report.verdict == "healthy" else "unclear")


def _table(treatment: Treatment, lang: str) -> Table:
    def _(text: str) -> str:
        return translator(lang)(text)

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column(_("Treatment"), ratio=1, overflow="fold")
    for name in (_("loss at the end"), _("better by"), _("seeds")):
        table.add_column(name, justify="right", no_wrap=True)
    if treatment.control is not None:
        table.add_row(_("none"), ending(list(treatment.control.runs.values())))
    for line in treatment.lines[:MOST]:
        table.add_row(*_row(line, _("rescued")), style="bold" if line is treatment.chosen else "")
    if len(treatment.lines) > MOST:
        rest = Message("and {n} more", {"n": len(treatment.lines) - MOST})
        table.add_row(say(rest, lang), style="dim")
    return table


def _row(line: ArmResult, rescued: str) -> tuple[Text, ...]:
    found, runs = line.effect, list(line.arm.runs.values())
    sure = f" ± {found.high - found.mean:.2f}" if line.confirmed and len(found.pairs) > 1 else ""
    size = rescued if found.rescued == len(found.pairs) else f"{found.mean:+.2f}{sure}"
    return tuple(map(Text, (label(line.arm.prescription), ending(runs), size, str(len(runs)))))
