"""The one check of values: what fits, what does not, and what is said then."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.base.value_types import (
    Check,
    Count,
    Filled,
    Finite,
    Index,
    Line,
    Lines,
    Positive,
    Share,
    Size,
    UnfitError,
    fitted,
    fitted_table,
    kind_of,
    words_of,
)
from gradmedic.recording.site import Kind

HINTS: list[Any] = [
    *(float, int, bool, str, Any, float | None, tuple[int, ...], Mapping[str, float], Mapping[str, Mapping[str, int]]),
    *(Positive, Size, Finite, Share, Count, Index, Filled, Line, Lines, Count | None, Literal["a", "b"], Kind),
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(values, st.sampled_from(HINTS))
def test_a_value_fits_or_is_told_in_one_sentence_and_what_fits_fits_again(value: Any, hint: Any) -> None:
    try:
        found = fitted(value, hint)
    except UnfitError as error:
        told = str(error)
    else:
        assert repr(fitted(found, hint)) == repr(found)
        return
    assert told.startswith(f"must be {words_of(hint)}; it is ")
    assert told.isprintable()


@pytest.mark.parametrize(
    ("hint", "value", "found"),
    [
        (float, 3, 3.0),
        (tuple[float, ...], [1, 2.5], (1.0, 2.5)),
        (Count | None, None, None),
        (Kind, "weights", Kind.WEIGHTS),
        (Size, float("inf"), float("inf")),
        (Mapping[str, float], {"a": 1}, {"a": 1.0}),
    ],
)
def test_what_fits_is_as_the_field_holds_it(hint: Any, value: Any, found: Any) -> None:
    assert fitted(value, hint) == found
    assert type(fitted(value, hint)) is type(found)


@pytest.mark.parametrize(
    ("hint", "value", "told"),
    [
        (float, True, "must be a number; it is True"),
        (float, "5", "must be a number; it is '5'"),
        (int, 5.0, "must be a whole number; it is 5.0"),
        (int, 2**63, "must be a whole number; it is 9223372036854775808"),
        (Finite, float("inf"), "must be a number; it is inf"),
        (Positive, float("nan"), "must be a number above 0; it is nan"),
        (Size, -1, "must be a number from 0 on; it is -1"),
        (Count | None, 0, "must be a whole number from 1 on; it is 0"),
        (tuple[int, ...], "12", "must be a list of whole numbers; it is '12'"),
        (Mapping[str, float], {"a": "x"}, "must be a table of numbers; it is {'a': 'x'}"),
        (Literal["a", "b"], ["a"], "must be one of a, b; it is ['a']"),
        (Line, "a\nb", r"must be text without control characters; it is 'a\nb'"),
        (Annotated[Any, Check("five", lambda x: x == 5)], 6, "must be five; it is 6"),
    ],
)
def test_what_does_not_fit_is_told(hint: Any, value: Any, told: str) -> None:
    with pytest.raises(UnfitError) as raised:
        fitted(value, hint)
    assert str(raised.value) == told


def test_a_number_that_python_does_not_write_is_told_without_it() -> None:
    with pytest.raises(UnfitError, match=r"^must be a number above 0; it is too long to be shown$"):
        fitted(16**5000, Positive)


def test_the_first_key_that_does_not_fit_is_named_and_keys_without_a_type_are_left_out() -> None:
    assert fitted_table({"a": 1, "b": 2}, {"a": float}) == {"a": 1.0}
    with pytest.raises(UnfitError, match=r"^b must be a number"):
        fitted_table({"a": 1, "b": "x"}, {"a": float, "b": float})


def test_the_plain_type_behind_ranges_and_alternatives_is_known() -> None:
    assert [kind_of(hint) for hint in (Share, Count | None, Lines, Mapping[str, int])] == [float, int, tuple, Mapping]
