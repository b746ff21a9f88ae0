"""Run all rules over a recording and make one diagnosis of what they find."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gradmedic.base.errors import PluginError
from gradmedic.base.interruption import let_through
from gradmedic.base.settings import Settings
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.loss_progress import FELL, LossProgress, progress
from gradmedic.diagnosis.report import Report
from gradmedic.diagnosis.rules import Rule, all_rules
from gradmedic.diagnosis.training_state import TrainingState, guessing, outcome, thrown
from gradmedic.recording.records import Event, Recording


def judge(recording: Recording, settings: Settings | None = None) -> Report:
    """The report on a recording: every cause once, the first cause first, with what follows from it."""
    settings = settings or Settings()
    found: list[Finding] = []
    failures: list[Event] = []
    for name, rule in all_rules().items():
        if name in settings.ignore:
            continue
        try:
            found += made(rule, settings).check(recording)
        except Exception as error:  # a rule that fails is left out, and said to be
            let_through(error)
            failures.append(Event("failure", recording.last_step, {"part": f"rule {name}", "error": f"{error!r}"}))
    if failures:
        recording = replace(recording, events=(*recording.events, *failures))
    states = {stream: progress(recording.losses(stream)) for stream in recording.streams}
    return Report(recording, tuple(triage(found)), states, tuple(_failing(recording, states)))


def judge_recorded(recording: Recording, settings: Settings | None = None) -> Report:
    """The report on a recording that somebody else may have written: it may name any file, and none is opened."""
    lines = recording.run.get("lines")
    run = {**recording.run, "lines": lines if isinstance(lines, dict) else {}}
    return judge(replace(recording, run=run), settings)


def _failing(recording: Recording, states: Mapping[int, LossProgress]) -> Iterator[int]:
    """The streams that failed, where no other one learns."""
    outcomes = {stream: outcome(recording, stream) for stream in states}
    if not {TrainingState.LEARNING, TrainingState.SETTLED} & {*outcomes.values()}:
        for stream, found in outcomes.items():
            if found is TrainingState.FAILED and _shows(recording, stream, states[stream]):
                yield stream


def _shows(recording: Recording, stream: int, state: LossProgress) -> bool:
    """True where it is plain to see: unless noise might hide a fall of the loss, or the first batch was an easy one.

    A loss that still falls towards that of a guess may only need more steps, unless training itself threw it up.
    """
    if state.state == "stuck":
        return state.fell < FELL and state.noise <= FELL * abs(state.first or 0.0)
    if state.state == "worse" or thrown(recording.losses(stream)):
        return True
    return state.flat and guessing(recording, stream) is not None


def made(rule: type[Rule], settings: Settings) -> Rule:
    """A rule with the thresholds that the user has set."""
    try:
        return rule(**dict(settings.rules.get(rule.name, {})))
    except TypeError as error:
        let_through(error)
        raise PluginError(f"The rule {rule.name} does not take these settings: {error}") from None


def triage(found: Iterable[Finding]) -> list[Finding]:
    """Put causes first and consequences under them; notes come last.

    What is wrong with the program comes before what was wrong when training began, and that before
    what training did; among equals the earlier one comes first, unless a later one explains it.
    """
    waiting = sorted(_once(found), key=lambda f: (f.severity < Severity.WARNING, f.rank, f.since_step, -f.severity))
    causes: list[Finding] = []
    while waiting:
        first = next((f for f in waiting if not _explained(f, waiting)), waiting[0])
        waiting.remove(first)
        follow = [f for f in waiting if _explains(first, f)]
        waiting = [f for f in waiting if f not in follow]
        causes.append(first.with_consequences(*follow))
    return sorted(causes, key=lambda f: f.severity < Severity.WARNING)


def _explained(finding: Finding, others: Iterable[Finding]) -> bool:
    """True if another finding explains this one and is not explained by it in turn."""
    return any(_explains(other, finding) and not _explains(finding, other) for other in others)


def _explains(cause: Finding, effect: Finding) -> bool:
    """A note explains nothing: it tells of something that does no harm."""
    return cause is not effect and effect.rule in cause.explains and cause.severity >= Severity.WARNING


def _once(found: Iterable[Finding]) -> Iterator[Finding]:
    """One finding per rule: of several streams the worst, then the earliest, speaks for all."""
    best: dict[str, Finding] = {}
    for finding in found:
        known = best.get(finding.rule)
        if known is None or (-finding.severity, finding.since_step) < (-known.severity, known.since_step):
            best[finding.rule] = finding
    yield from best.values()
