"""Names with wildcards, and names that are written short with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradmedic.base.name_patterns import folded, glob

NAMES = st.lists(st.sampled_from([f"{a}.{i}.{b}" for a in "ab" for i in range(4) for b in "xy"]), unique=True)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("body.*.weight", "body.12.weight", True),
        ("body.*", "body.0.weight", False),
        ("body.**", "body.0.weight", True),
        ("*", "body.0.weight", True),
        ("layers[0].weight", "layers[0].weight", True),
        ("layers[*].weight", "layers[3].weight", True),
        ("train.py:*/relu", "train.py:31/relu", True),
        ("a.b", "axb", False),
    ],
)
def test_a_star_stands_for_one_part_of_a_name_and_two_for_any(pattern: str, name: str, fits: bool) -> None:
    assert (glob(pattern).fullmatch(name) is not None) == fits


@given(NAMES, NAMES)
def test_short_names_mean_the_same_names_and_nobody_else(names: list[str], everybody: list[str]) -> None:
    short = [glob(pattern) for pattern in folded(names, everybody)]
    meant = {name for name in {*names, *everybody} if any(pattern.fullmatch(name) for pattern in short)}
    assert meant == set(names)
