"""What all tests share: the flag that accepts new golden screens, patience, and which tests are slow."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("patient")


SLOW = (
    *("end_to_end", "benchmarks", "trials/runners", "treatment/patching/test_ward.py", "verbs/test_patch.py"),
    *("verbs/test_compare.py", "verbs/test_predict.py", "probe/test_compile.py", "probe/test_harmless.py"),
    *("probe/test_torch_internals.py", "prediction/test_run_expectations.py", "launch/test_seeds.py"),
    *("recording/test_writer.py", "test_invasive.py", "test_hostile_files.py", "theory", "prediction/init"),
)
"""Folders and files of tests that start processes, train, or sample: `make quick` leaves them out."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: starts processes, trains, or samples")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark what is slow by where it stands."""
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).as_posix()
        if any(place == slow or place.startswith(f"{slow}/") for slow in SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the golden screens in tests/golden")


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether what is drawn now becomes the golden screen."""
    return bool(request.config.getoption("--accept"))
