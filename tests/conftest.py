"""What all tests share: the flag that accepts new golden screens, and patience."""

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the golden screens in tests/golden")


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether what is drawn now becomes the golden screen."""
    return bool(request.config.getoption("--accept"))
