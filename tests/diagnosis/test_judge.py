"""One diagnosis of many findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from gradmedic.base.messages import Message
from gradmedic.base.settings import Settings
from gradmedic.diagnosis import judge as judging
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.judge import judge, triage
from gradmedic.diagnosis.rules import Rule
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import DrawnSite, site, sketch


def finding(rule: str, *, rank: int = 2, since: int = 0, explains: tuple[str, ...] = (), note: bool = False) -> Finding:
    severity = Severity.NOTE if note else Severity.WARNING
    return Finding(rule, severity, Message(rule), Message(""), rank=rank, since_step=since, explains=explains)


def names(findings: list[Finding]) -> list[str]:
    return [one.rule for one in findings]


def test_what_was_wrong_first_comes_first() -> None:
    found = [finding("late", since=90), finding("start", rank=1), finding("program", rank=0, since=7)]
    assert names(triage(found)) == ["program", "start", "late"]


def test_a_consequence_stands_under_its_cause() -> None:
    causes = triage([finding("effect", rank=1), finding("cause", explains=("effect",))])
    assert names(causes) == ["cause"]
    assert names(list(causes[0].consequences)) == ["effect"]


def test_of_two_that_explain_each_other_the_earlier_one_is_the_cause() -> None:
    found = [finding("a", since=5, explains=("b",)), finding("b", since=2, explains=("a",))]
    assert names(triage(found)) == ["b"]


def test_a_note_explains_nothing_and_comes_last() -> None:
    found = [finding("note", rank=0, explains=("real",), note=True), finding("real")]
    assert names(triage(found)) == ["real", "note"]


def test_a_rule_speaks_once() -> None:
    found = [finding("same", since=9), finding("same", since=3)]
    assert [one.since_step for one in triage(found)] == [3]


@dataclass(frozen=True)
class Broken(Rule):
    """A rule that raises."""

    name: ClassVar[str] = "broken"
    SICK: ClassVar = []
    HEALTHY: ClassVar = []
    limit: float = 1.0

    def check(self, recording: Recording) -> Iterator[Finding]:
        if self.limit > 1:
            yield finding("broken")
        raise ZeroDivisionError


def test_a_rule_that_fails_is_left_out_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "all_rules", lambda: {"broken": Broken})
    report = judge(Recording())
    assert not report.findings
    assert report.recording.events_of("failure")[0].data["part"] == "rule broken"


def test_a_rule_that_is_ignored_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "all_rules", lambda: {"broken": Broken})
    assert not judge(Recording(), Settings(ignore=("broken",))).recording.events


def test_nothing_seen_is_unclear() -> None:
    assert judge(Recording()).verdict == "unclear"


def test_a_loss_that_does_not_fall_is_not_called_healthy() -> None:
    fc = site("fc", "linear", {"grad_rms": 0.1})
    stuck = judge(sketch([fc], losses=[2.3] * 40))
    assert (stuck.verdict, stuck.failing) == ("unclear", (0,))
    helper = judge(sketch([fc], losses={0: [0.9**step for step in range(40)], 1: [2.3] * 40}))
    assert (helper.verdict, helper.failing) == ("healthy", ())
    noisy = judge(sketch([fc], losses=[1.5, 0.5] * 10 + [1.3, 0.3] * 10))  # noise may hide that it fell
    assert (noisy.verdict, noisy.failing) == ("healthy", ())


def test_a_loss_on_its_way_down_to_a_guess_is_not_called_a_failure() -> None:
    def sites(end: float) -> list[DrawnSite]:
        return [site("fc", "linear", {"grad_rms": 0.1}), site("loss", "mse_loss", {"loss": [1.0, end], "guess": 0.2})]

    losses = [1 - 0.01 * at for at in range(60)]
    assert judge(sketch(sites(losses[1]), losses=losses)).verdict == "healthy"
    thrown = [1.0, *[9.0 - 0.1 * at for at in range(60)]]
    assert judge(sketch(sites(thrown[1]), losses=thrown)).verdict == "unclear"
    stopped = [1 - 0.1 * at for at in range(5)] + [0.5] * 60
    assert judge(sketch(sites(stopped[1]), losses=stopped)).verdict == "unclear"


def test_a_loss_of_nothing_and_one_that_was_thrown_up_are_not_called_healthy() -> None:
    fc = site("fc", "linear", {"grad_rms": 0.1})
    nothing = judge(sketch([fc], losses=[0.0] * 40))  # cross-entropy over one class
    assert (nothing.verdict, nothing.failing) == ("unclear", (0,))
    thrown = judge(sketch([fc], losses=[1.0, 90.0, 80.0, 70.0, 60.0, 50.0, *[40.0, 30.0] * 20]))
    assert thrown.verdict != "healthy"
