"""What every rule promises. A new rule is tested by being there."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields
from math import isfinite
from pathlib import Path
from string import Formatter

import pytest

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules import Rule, all_rules
from gradmedic.recording.records import Recording

SECTIONS = ["What it finds", "Why it hurts", "What causes it", "Example", "Instead", "References"]
RULES = all_rules()

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())


def found(rule: type[Rule]) -> Iterator[Finding]:
    """All findings of a rule in its own sick cases."""
    for case in rule.SICK:
        yield from rule().check(case)


def messages(finding: Finding) -> Iterator[Message]:
    """All sentences of a finding, those inside of others too."""
    waiting = [finding.message, finding.why, *(cure.act for cure in finding.next)]
    while waiting:
        message = waiting.pop()
        yield message
        waiting.extend(value for value in message.values.values() if isinstance(value, Message))


@every_rule
def test_finds_every_sick_case(rule: type[Rule]) -> None:
    assert rule.SICK
    for case in rule.SICK:
        assert any(finding.severity > Severity.NOTE for finding in rule().check(case))


@every_rule
def test_leaves_every_healthy_case_alone(rule: type[Rule]) -> None:
    assert rule.HEALTHY
    for case in rule.HEALTHY:
        assert not [finding for finding in rule().check(case) if finding.severity > Severity.NOTE]


@every_rule
def test_has_nothing_to_say_of_an_empty_recording(rule: type[Rule]) -> None:
    assert not list(rule().check(Recording()))


@every_rule
def test_findings_carry_the_rule_name_and_their_evidence(rule: type[Rule]) -> None:
    for finding in found(rule):
        assert finding.rule == rule.name
        assert finding.evidence
        assert all(isinstance(v, str) or isfinite(v) for v in finding.evidence.values()), finding.evidence


@every_rule
def test_findings_say_where_and_since_when(rule: type[Rule]) -> None:
    for finding in found(rule):
        assert finding.places
        assert all(place.name for place in finding.places)
        assert finding.since_step >= 0
        assert finding.rank in (0, 1, 2)


@every_rule
def test_findings_explain_other_rules_only(rule: type[Rule]) -> None:
    for finding in found(rule):
        assert set(finding.explains) <= set(RULES) - {rule.name}


@every_rule
def test_messages_are_filled_in(rule: type[Rule]) -> None:
    for finding in found(rule):
        for message in messages(finding):
            wanted = {name for _, name, _, _ in Formatter().parse(message.text) if name is not None}
            assert wanted <= set(message.values), message.text
            assert str(message).strip()


@every_rule
def test_findings_tell_what_to_do_in_code_that_parses(rule: type[Rule]) -> None:
    for finding in found(rule):
        assert finding.next
        for cure in finding.next:
            ast.parse(cure.code)


@every_rule
def test_page_has_all_sections_and_its_code_parses(rule: type[Rule]) -> None:
    page = inspect.getdoc(rule) or ""
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == SECTIONS
    blocks = page.split("```python\n")[1:]
    assert len(blocks) >= 2
    for block in blocks:
        ast.parse(block.split("```")[0])


@every_rule
def test_is_named_like_its_file(rule: type[Rule]) -> None:
    assert rule.name == Path(inspect.getfile(rule)).stem.replace("_", "-")


@every_rule
def test_every_threshold_has_a_default_and_a_reason(rule: type[Rule]) -> None:
    assert rule() == rule(**{f.name: f.default for f in fields(rule)})  # type: ignore[arg-type]
    body = ast.parse(inspect.getsource(rule)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, reason in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
            assert isinstance(reason, ast.Expr), f"{ast.unparse(field.target)} says nothing of where it comes from"
