"""The code in the how-tos for new parts runs, and does what the page says."""

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from support.treating import given, mlp, sgd, train

from gradmedic.base import plugins
from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.recording.records import Recording
from gradmedic.render import Renderer
from gradmedic.sinks import Sink
from gradmedic.treatment.remedies import Remedy

FOLDER = Path(__file__).parents[1] / "docs" / "how-to"


@pytest.fixture
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that the Python code of a page makes up, announced as the page says."""
    text = (FOLDER / f"{request.param}.md").read_text(encoding="utf-8")
    module = ModuleType("my_package")
    monkeypatch.setitem(sys.modules, "my_package", module)
    # Code blocks that stand in docstrings are indented.
    for code in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        exec(compile(code, f"{request.param}.md", "exec"), vars(module))
    [(group, name, value)] = re.findall(r'entry-points."(\S+)"\]\n(\S+) = "\S+:(\w+)"', text)
    entry = EntryPoint(name, f"my_package:{value}", group)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry] if group == entry.group else [])
    return module


def announced(base: Any, package: str, group: str) -> dict[str, Any]:
    """What is found by name, by a look that nobody has taken before."""
    found: dict[str, Any] = plugins.discover.__wrapped__(base, package, group)
    return found


@pytest.mark.parametrize("parts", ["write-a-rule"], indirect=True)
def test_the_rule_finds_its_sick_case_and_leaves_the_healthy_alone(parts: ModuleType) -> None:
    rule = announced(Rule, "gradmedic.diagnosis.rules", "gradmedic.rules")["skipped-steps"]
    assert rule is parts.SkippedSteps
    [finding] = rule().check(rule.SICK[0])
    assert (finding.severity, str(finding.message)) == (Severity.WARNING, "The GradScaler skipped 25% of all steps")
    assert not [found for case in (*rule.HEALTHY, Recording()) for found in rule().check(case)]


@pytest.mark.parametrize("parts", ["write-a-remedy"], indirect=True)
def test_the_remedy_does_what_it_says_and_so_does_its_code(parts: ModuleType) -> None:
    remedy = announced(Remedy, "gradmedic.treatment.remedies", "gradmedic.remedies")["center-gradients"]
    assert remedy is parts.CenterGradients
    torch.manual_seed(0)
    x, y = torch.randn(16, 4), torch.randn(16, 2)
    bare, under, by_hand = (mlp(4, 8, 2) for _ in range(3))
    with given(remedy(), under, optimizer := sgd(under)):
        train(under, optimizer, x, y, steps=1)
    assert all(float(p.grad.mean(1).abs().max()) < 1e-6 for p in under.parameters() if p.dim() > 1)
    torch.nn.functional.mse_loss(by_hand(x), y).backward()  # type: ignore[no-untyped-call]
    exec(remedy().code(), {"model": by_hand, "torch": torch})
    pairs = zip(under.parameters(), by_hand.parameters(), strict=True)
    assert all(torch.equal(one.grad, other.grad) for one, other in pairs)
    train(bare, sgd(bare), x, y, steps=1)
    train(under, sgd(under), x, y, steps=1)  # given back
    assert float(next(under.parameters()).grad.mean(1).abs().max()) > 1e-4


@pytest.mark.parametrize("parts", ["write-a-renderer"], indirect=True)
def test_the_renderer_writes_a_line_for_each_finding(parts: ModuleType) -> None:
    renderer = announced(Renderer, "gradmedic.render.report", "gradmedic.renderers")["csv"]
    assert renderer is parts.CsvFile
    report = judge(VanishingGradient.SICK[0])
    lines = renderer().render(report, "en").splitlines()
    assert lines[0] == "rule,severity,place"
    assert [line.split(",")[0] for line in lines[1:]] == [finding.rule for finding in report.findings] != []


@pytest.mark.parametrize("parts", ["write-a-sink"], indirect=True)
def test_the_sink_is_found_by_name_and_writes_what_it_says(
    parts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = announced(Sink, "gradmedic.sinks", "gradmedic.sinks")["csv"]
    assert kind is parts.CsvSink
    assert kind.found() is None
    sink = kind.opened()
    sink.numbers(3, {"gradmedic/loss": 0.5})
    sink.finding(3, "dead-relu", "...", severe=True)
    sink.close()
    assert (tmp_path / "gradmedic.csv").read_text().split() == ["3,gradmedic/loss,0.5", "3,dead-relu,critical"]
