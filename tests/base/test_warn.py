"""A warning of ours is printed, and is never an error."""

import warnings

import pytest

from gradmedic.base.errors import GradmedicWarning
from gradmedic.base.warn import warn_of


def test_a_warning_is_no_error_where_the_script_turns_warnings_into_errors() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("error")
        warn_of("a part failed")
    assert [(str(one.message), one.category) for one in seen] == [("a part failed", GradmedicWarning)]
    assert seen[0].filename == __file__


def test_a_warning_is_shown() -> None:
    with pytest.warns(GradmedicWarning, match="a part failed"):
        warn_of("a part failed")
