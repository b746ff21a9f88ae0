"""The page of a treatment: the verdict, every arm with its interval, loss curves, and the code of the cure."""

from collections.abc import Iterator, Sequence
from math import isfinite

from markupsafe import Markup

from gradmedic.base.locale import say, translator
from gradmedic.base.messages import Message
from gradmedic.render.glyphs import UNICODE
from gradmedic.render.page.axis import ChartAxis, axis
from gradmedic.render.page.bars import interval
from gradmedic.render.page.bilingual import in_all, sentence, text
from gradmedic.render.page.curves import Chart
from gradmedic.render.page.loss_charts import STYLES, loss_charts
from gradmedic.render.page.section import PageCell, PageTable, Section, Story, Verdict, number_cell
from gradmedic.render.treatment.json import document
from gradmedic.render.treatment.screen import counted, diagnosis
from gradmedic.trials.loss_curves import curves
from gradmedic.trials.paired_effect import Arm, Effect
from gradmedic.trials.search.treatment_result import ArmResult, Treatment, ending, label
from gradmedic.trials.trial import Outcome


def treatment_story(found: Treatment, lang: str) -> Story:
    """A treatment as verdict and sections; the title is in one language, all else in those that are shown."""
    healthy = found.before.verdict == "healthy"
    verdict = Verdict(
        "healthy" if found.chosen or healthy else "unclear",
        UNICODE.healthy if found.chosen or healthy else UNICODE.unclear,
        text(lambda _: _("TREATED") if found.chosen else _("HEALTHY") if healthy else _("NOT TREATED")),
        sentence(found.verdict),
    )
    script = str(found.before.recording.run.get("script") or "")
    return Story(
        f"gradmedic treat: {script} · {say(found.verdict, lang)}",
        verdict,
        list(_sections(found)),
        Markup("<code>{}</code> · {}" if script else "{1}").format(script, sentence(counted(found))),
        [sentence(one) for one in found.worsening[found.chosen is None :]],
        {"treatment": document(found, "en")},
    )


def _sections(found: Treatment) -> Iterator[Section]:
    if found.lines:
        charts = [chart for chart in _charts(found) if chart.drawn]
        unit = Message("better by: {unit}, seed by seed; a bar is the 95 % interval", {"unit": found.unit})
        yield Section(text(lambda _: _("What was tried")), [sentence(unit)], _table(found), charts)
    if found.prescription is not None:
        code = found.prescription.code()
        yield Section(text(lambda _: _("The prescription")), [Markup().join(_before_after(found))], code=code)


def _before_after(found: Treatment) -> Iterator[Markup]:
    for name, report in (("Diagnosis before", found.before), ("Diagnosis under treatment", found.after)):
        if report is not None:
            yield in_all(lambda lang, name=name, it=report: f"{translator(lang)(name)}: {diagnosis(it, lang)}. ")  # type: ignore[misc]


def _table(found: Treatment) -> PageTable:
    """A row for the script as it is and for each arm, with the interval of what it gained."""
    ends = [end for line in found.lines if _ended(line) for end in _interval(line.effect)]
    scale = axis([*ends, 0.0], log=False)
    heads = [text(lambda _, name=name: _(name)) for name in ("Treatment", "loss at the end", "better by")]  # type: ignore[misc]
    none = [PageCell(text(lambda _: _("none"))), number_cell(ending(_runs(found.control))), number_cell("")]
    rows = [[*none, PageCell("", "barred"), number_cell(str(len(_runs(found.control))))]]
    rows += [_row(line, scale) for line in found.lines]
    chosen = frozenset(at for at, line in enumerate(found.lines, 1) if line is found.chosen)
    return PageTable([*heads, "", text(lambda _: _("seeds"))], rows, chosen)


def _row(line: ArmResult, scale: ChartAxis) -> list[PageCell]:
    effect, runs = line.effect, _runs(line.arm)
    lost = bool(effect.pairs) and effect.rescued == len(effect.pairs)
    gained = text(lambda _: _("rescued")) if lost else f"{effect.mean:+.2f}"
    shown = not lost and _ended(line)
    drawn = interval(scale, *_interval(effect), gained=effect.mean > 0) if shown else Markup()
    cells = (PageCell(label(line.arm.prescription)), number_cell(ending(runs)), number_cell(gained))
    return [*cells, PageCell(drawn, "barred"), number_cell(str(len(runs)))]


def _ended(line: ArmResult) -> bool:
    """Whether every run came to its end: the effect of one that broke has no size."""
    return all(run.ended.well for run in _runs(line.arm))


def _interval(effect: Effect) -> tuple[float, float]:
    """The ends of the interval; with one seed, the value alone."""
    ends = (effect.low, effect.high)
    return ends if all(map(isfinite, ends)) else (effect.mean, effect.mean)


def _runs(arm: Arm | None) -> list[Outcome]:
    return list(arm.runs.values()) if arm is not None else []


def _charts(found: Treatment) -> Iterator[Chart]:
    """The loss of each stream under the best arms, beside that of the script as it is."""
    arms: list[tuple[Markup | str, Sequence[Outcome]]] = [(text(lambda _: _("none")), _runs(found.control))]
    best = [found.chosen] if found.chosen else []
    best += [line for line in found.lines if line is not found.chosen]
    arms += [(label(line.arm.prescription), _runs(line.arm)) for line in best[: len(STYLES) - 1]]
    yield from loss_charts([(name, curves(runs)) for name, runs in arms])
