"""Sentences and numbers that several renderers put on their screens."""

from collections.abc import Callable, Iterator, Mapping
from math import isfinite, log10
from pathlib import Path
from statistics import median

from gradmedic.base.locale import say, translator
from gradmedic.base.surroundings import folder, line_of
from gradmedic.diagnosis.features.depth_profile import foreseen
from gradmedic.diagnosis.features.shortfall import oddities, shortfall
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Capture, Recording, Stream
from gradmedic.recording.site import Kind, Place
from gradmedic.render.numbers import number

LEAST = 0.05
"""Decades that do not round to zero: what is less is not worth a word."""

SIZED = (
    "vanishing-gradient",
    "exploding-gradient",
    "saturated-activation",
    "poor-initialization",
    "dead-relu",
    "gradient-underflow",
)
"""Rules whose findings the ledger explains."""


def title(rule: str, lang: str) -> str:
    """A rule's name as users read it: where it is translated, with its id behind it."""
    translated = translator(lang)(rule)
    return rule if translated == rule else f"{translated} ({rule})"


def shown_path(file: str) -> str:
    """The path from where the user stands, if the file is below."""
    path, here = Path(file), folder()
    return str(path.relative_to(here)) if here and path.is_relative_to(here) else file


def name_of(place: Place, lang: str) -> str:
    """The name of a place; what is no operation, such as the learning rate, has no name in the user's code."""
    return translator(lang)(place.name) if place.kind == "optimizer" else place.name


def spot(place: Place) -> str:
    """`file:line` as the user would write it, or the empty string."""
    return f"{shown_path(place.file)}:{place.line}" if place.file else ""


def since(finding: Finding, lang: str) -> str:
    """Since when it is so."""
    _ = translator(lang)
    return _("since step {step}").format(step=finding.since_step) if finding.since_step else _("from the start")


def source_line(report: Report, place: Place) -> str:
    """The user's own line: as it was recorded, or of the file where the run is our own."""
    lines = report.recording.run.get("lines")
    if isinstance(lines, Mapping):
        return str(lines.get(place.at, ""))
    return line_of(place.file, place.line) if place.file and place.line else ""


def evidence(finding: Finding, lang: str) -> list[str]:
    """The numbers that prove a finding, each with its name."""
    _ = translator(lang)
    spoken = {True: _("yes"), False: _("no")}
    return [
        f"{_(key.replace('_', ' '))} {spoken[value] if isinstance(value, bool) else _(number(value))}"
        for key, value in finding.evidence.items()
    ]


def ledger_of(report: Report, finding: Finding) -> Ledger | None:
    """The ledger that ends where the finding points, else the first that goes deepest."""
    names = {name for place in finding.places for name in (place.name, place.parameter)}
    ledgers = [ledger for capture in report.recording.captures for ledger in capture.ledgers]
    return next((ledger for ledger in ledgers if ledger.target in names), report.ledger)


def sums(ledger: Ledger, lang: str) -> str:
    """What each kind of operation did to the gradient; by its own name where a kind is one operation."""
    _ = translator(lang)
    told = ((kind, decades) for kind, decades in ledger.by_kind().items() if abs(decades) >= LEAST)
    booked = _(", ").join(f"{_(_label(ledger, kind))} {decades:+.1f}" for kind, decades in told)
    if ledger.cut:
        return _("decades to {target}: {booked}; exactly zero behind {name}").format(
            target=ledger.target, booked=booked, name=ledger.cut.name
        )
    text = _("decades to {target}: {booked} = {total:+.1f}")
    return text.format(target=ledger.target, booked=booked, total=ledger.total)


def theory(report: Report, ledger: Ledger, lang: str) -> str:
    """What theory expects along a ledger; empty where it was not worked out."""
    _ = translator(lang)
    found = foreseen(report.recording, ledger)
    if found is None:
        return ""
    text = _("theory expects {expected:+.1f} with these weights, {critical:+.1f} with critical ones")
    return text.format(expected=found[0], critical=found[1])


def _label(ledger: Ledger, kind: Kind) -> str:
    ops = {entry.op for entry in ledger.entries if entry.kind is kind}
    return ops.pop() if len(ops) == 1 and kind in (Kind.ACTIVATION, Kind.NORMALIZATION) else str(kind)


def about_size(finding: Finding) -> bool:
    """Whether a finding is about what the way through the network does to the gradient's size."""
    return finding.rule in SIZED


def script(report: Report) -> str:
    """The script that was run, as the user would write its path; empty where there was none."""
    return shown_path(str(report.recording.run.get("script") or ""))


def counts(report: Report, lang: str) -> list[str]:
    """How much was seen, and what seeing it cost."""
    _ = translator(lang)
    steps, captures, share = totals(report.recording)
    told = [
        _("1 step") if steps == 1 else _("{n} steps").format(n=steps),
        _("1 capture") if captures == 1 else _("{n} captures").format(n=captures),
    ]
    return [*told, _("overhead {share:.1%}").format(share=share)] if share is not None else told


def for_programs(report: Report) -> str:
    """`gradmedic: VERDICT [RULE [FILE:LINE]][; next: COMMAND]`."""
    words, command = [report.verdict], ""
    if report.verdict == "sick":
        worst = next(finding for finding in report.findings if finding.severity > Severity.NOTE)
        words += [worst.rule, *filter(None, map(spot, worst.places[:1]))]
        command = f"; next: gradmedic explain {worst.rule}"
    elif report.failing and script(report):
        command = f"; next: gradmedic treat {script(report)}"
    return f"gradmedic: {' '.join(words)}{command}"


def totals(recording: Recording) -> tuple[int, int, float | None]:
    """Steps seen, captures taken, and the share of the run's time that this took, where it is known."""
    tallies = recording.tallies
    steps = int(tallies.get("steps", 0)) or len({vital.step for vital in recording.vitals})
    seconds = tallies.get("seconds", 0.0)
    share = tallies.get("spent", 0.0) / seconds if seconds else None
    return steps, int(tallies.get("captures", 0)) or len(recording.captures), share


def health(report: Report, lang: str) -> Iterator[str]:
    """What speaks for a healthy run, the weightiest first."""
    _ = translator(lang)
    for stream, progress in sorted(report.progress.items()):
        if progress.first is not None and progress.last is not None:
            yield f"{_loss_name(report.recording, stream, _)} {number(progress.first)} → {number(progress.last)}"
    if report.verdict == "healthy" and not any(_learns(report, stream) for stream in report.progress):
        few = all(progress.state == "unclear" for progress in report.progress.values())
        yield _("too few steps to say whether it learns") if few else _("the loss does not tell whether it learns")
    yield from _spread(report.recording, _)
    yield from _updates(report.recording, _)


def _learns(report: Report, stream: int) -> bool:
    """True where the loss is evidence that something is learned."""
    known = (TrainingState.LEARNING, TrainingState.SETTLED)
    return report.progress[stream].learns or outcome(report.recording, stream) in known


def _loss_name(recording: Recording, stream: int, _: Callable[[str], str]) -> str:
    """The name of a loss, with the line of its backward call where several have the same name."""
    found = recording.streams.get(stream, Stream(stream))
    alike = sum(other.name == found.name for other in recording.streams.values())
    return f"{_(found.name)}:{found.line}" if alike > 1 and found.line else _(found.name)


def _spread(recording: Recording, _: Callable[[str], str]) -> Iterator[str]:
    last = recording.captures[-1] if recording.captures else Capture(0)
    sizes = [log10(rms) for _name, rms in recording.arriving(last) if rms > 0 and isfinite(rms)]
    if len(sizes) > 1:
        yield _("gradients within {decades:.1f} decades").format(decades=max(sizes) - min(sizes))


def _updates(recording: Recording, _: Callable[[str], str]) -> Iterator[str]:
    rows = [row for capture in recording.captures[-3:] for row in capture.parameters.values()]
    ratios = [row["update_rms"] / row["weight_rms"] for row in rows if "update_rms" in row and row.get("weight_rms")]
    if ratios:
        yield _("update ratio {ratio:.1g}").format(ratio=median(ratios))


def remarks(report: Report, lang: str) -> list[str]:
    """What limits this report: what could not be seen, and what of ours failed on the way."""
    _ = translator(lang)
    hidden = [_("torch.compile hides the operations, so only the parameters were measured")]
    said = [_(str(event.data.get("text"))) for event in report.recording.events_of("note")]
    failed = _("a part of gradmedic failed and was left out: {part}, {error}")
    failures = [failed.format_map({"part": "", "error": "", **e.data}) for e in report.recording.events_of("failure")]
    hides = hidden * bool(report.recording.events_of("compiled"))
    return list(dict.fromkeys((*_treatment(report, _), *hides, *said, *failures)))


def _treatment(report: Report, _: Callable[[str], str]) -> Iterator[str]:
    """Which remedies the run was under, and which could not be given."""
    refused = {str(e.data.get("remedy")): str(e.data.get("reason")) for e in report.recording.events_of("refused")}
    given = [str(event.data.get("remedy")) for event in report.recording.events_of("remedy")]
    if given := [name for name in given if name not in refused]:
        yield _("under treatment: {remedies}").format(remedies=", ".join(given))
    for remedy, reason in refused.items():
        yield _("{remedy} could not be given: {reason}").format(remedy=remedy, reason=reason)


def missing(report: Report, lang: str) -> str:
    """One honest sentence on what was not there to be judged."""
    _ = translator(lang)
    if not report.recording.vitals and not report.recording.captures:
        return _("No backward pass ran while gradmedic watched, so there was nothing to judge.")
    if report.recording.events_of("compiled"):
        return _("torch.compile hides the operations from view, and the rest was too little to judge.")
    if not report.recording.captures:
        return _("Losses were seen, but no backward pass could be read whole, so the gradients are unknown.")
    if report.failing:
        return _unexplained(report.recording, report.failing[0], lang)
    return _("Too few steps ran to say whether it learns.")


def _unexplained(recording: Recording, stream: int, lang: str) -> str:
    """What the loss did, and the numbers that stand out; the data are named only where none does."""
    _ = translator(lang)
    told = [say(oddity, lang) for oddity in oddities(recording, stream)]
    text = _(
        "No rule names the cause, and yet {loss}. Nothing that was measured is out of the ordinary: "
        "look at the data and its labels, or let gradmedic treat try remedies."
    )
    if told:
        text = _(
            "No rule names the cause, and yet {loss}. Out of the ordinary: {facts}. Let gradmedic treat try remedies."
        )
    return text.format(loss=say(shortfall(recording, stream), lang), facts=_("; ").join(told))
