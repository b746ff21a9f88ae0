"""What all tests share: the flag that accepts new golden screens."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="rewrite the golden screens in tests/golden")


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    """Whether what is drawn now becomes the golden screen."""
    return bool(request.config.getoption("--accept"))
