"""A plugin for pytest: tests that train are watched, and those that are marked fail where training is sick."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gradmedic.diagnosis.report import Report
    from gradmedic.verbs.watch import Watch

MARK = "gradmedic(fail_on='warning', **options): watch this test, and fail it if what it trains is sick"
PROPERTY = "gradmedic"
"""What findings are called among the properties of a test, in JUnit files too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--gradmedic` watches all tests."""
    told = "watch every test that trains with torch, and list what was found"
    parser.getgroup("gradmedic").addoption("--gradmedic", action="store_true", help=told)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", MARK)


@pytest.fixture
def gradmedic(request: pytest.FixtureRequest) -> "Iterator[Watch]":
    """A watch over this test: `gradmedic.report` is what was seen so far."""
    with _watch(request.node) as watch:
        yield watch


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Watch a test that is marked, or any one with `--gradmedic` where torch is loaded."""
    mark = item.get_closest_marker("gradmedic")
    asked = item.config.getoption("--gradmedic") and "torch" in sys.modules
    if mark is None and not asked and "gradmedic" not in getattr(item, "fixturenames", ()):
        return (yield)
    watch = getattr(item, "funcargs", {}).get("gradmedic") or _watch(item)
    with watch:
        result = yield
    _judge(item, watch.report, mark)
    return result


def _watch(item: pytest.Item) -> "Watch":
    from gradmedic.verbs.watch import watch

    mark = item.get_closest_marker("gradmedic")
    options = {key: value for key, value in mark.kwargs.items() if key != "fail_on"} if mark is not None else {}
    return watch(**options)


def _judge(item: pytest.Item, report: "Report", mark: Any) -> None:
    """Note what was found; fail a test that is marked."""
    from gradmedic.diagnosis.finding import Severity

    if report.recording.captures:
        found = ", ".join(finding.rule for finding in report.findings if finding.severity >= Severity.WARNING)
        item.user_properties.append((PROPERTY, found or report.verdict))
    if mark is None:
        return
    if not report.recording.captures:
        pytest.fail("gradmedic has seen no backward pass in this test", pytrace=False)
    limit = Severity[str(mark.kwargs.get("fail_on", "warning")).upper()]
    if report.worst is not None and report.worst >= limit:
        pytest.fail(f"what this test trains is not healthy\n{report}", pytrace=False)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the verdict on each test that was watched."""
    if not config.getoption("--gradmedic"):
        return
    reports = [one for several in terminalreporter.stats.values() for one in several if hasattr(one, "user_properties")]
    told = {one.nodeid: dict(one.user_properties)[PROPERTY] for one in reports if PROPERTY in dict(one.user_properties)}
    terminalreporter.section("gradmedic")
    for name, found in told.items():
        terminalreporter.write_line(f"{found}  {name}")
    if not told:
        terminalreporter.write_line("no test has trained anything")
