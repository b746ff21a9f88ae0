"""What all tests share: the flag that accepts new golden screens, patience, and which tests are slow."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("patient")


SLOW = (
    *(
        "end_to_end",
        "theory",
        "prediction/init",
        "prediction/test_run_expectations.py",
        "treatment/patching/test_ward.py",
    ),
    *("trials/runners", "trials/isolation", "verbs/test_compare.py", "verbs/test_watch.py", "probe/test_compile.py"),
    *("probe/test_harmless.py", "recording/test_merge_ranks.py", "render/page/test_browser.py"),
    *("benchmarks", "test_hostile_files.py", "docs"),
)
"""Folders and files of tests that train, sample, or start processes by way of others; files that start some themselves
are seen. `make quick` leaves all of them out."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts processes, trains, or samples")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark what is slow by where it stands, or by its starting processes."""
    for item in items:
        if is_slow(item.path):
            item.add_marker(pytest.mark.slow)


@cache
def is_slow(file: Path) -> bool:
    """Whether the tests of a file are left out where time is short."""
    place = file.relative_to(Path(__file__).parent).as_posix()
    listed = any(place == slow or place.startswith(f"{slow}/") for slow in SLOW)
    return listed or "import subprocess" in file.read_text(encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the golden screens in tests/golden")


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether what is drawn now becomes the golden screen."""
    return bool(request.config.getoption("--accept"))
