"""What stands in a prescription file reaches code as a value, and never as code."""

import ast
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.prescription import Item
from gradmedic.treatment.remedies import all_remedies, remedy_from

PIECES = [
    '"',
    "'",
    "\\",
    "\n",
    "\r",
    "#",
    ";",
    "(",
    ")",
    "*",
    ".",
    "weight",
    "{0}",
    "\u202e",
    "\u2028",
    "\x0c",
    "PWNED()",
]
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
values = st.one_of(hostile, st.lists(hostile, max_size=3), st.floats(), st.integers(), st.just(10**400), st.booleans())


def called(code: str) -> set[str]:
    """The names that code calls or reads."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_dose_gets_out_of_its_place_in_the_code(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(all_remedies())))
    kind: Any = all_remedies()[name]
    dose = {one.name: data.draw(values, label=one.name) for one in fields(kind)}
    try:
        code = remedy_from(Item(name, dose)).code()
    except RemedyError:
        return
    assert "PWNED" not in called(code)


@pytest.mark.parametrize(
    "to", ["AdamW(m.parameters());__import__('os').system('touch PWNED');torch.optim.SGD", "Adamw", "SGD\n"]
)
def test_an_optimizer_is_one_that_is_known(to: str) -> None:
    with pytest.raises(RemedyError, match=r"optimizer"):
        remedy_from(Item("change-optimizer", {"to": to}))


@pytest.mark.parametrize(
    ("remedy", "dose", "complaint"),
    [
        ("clip-grad-norm", {"max_norm": -1}, "clip-grad-norm: max_norm must be a number above 0; it is -1"),
        ("clip-grad-norm", {"max_norm": 10**400}, "clip-grad-norm: max_norm must be a number above 0; it is 1000"),
        ("clip-grad-norm", {"max_norm": float("nan")}, "must be a number above 0; it is nan"),
        ("learning-rate", {"factor": 0}, "learning-rate: factor must be a number above 0; it is 0"),
        ("warm-up", {"steps": 0}, "warm-up: steps must be a whole number from 1 on; it is 0"),
        ("init-he", {"weights": ["a\nb"]}, "init-he: weights must be a list of names without control characters"),
    ],
)
def test_a_dose_out_of_its_range_is_refused_by_name(remedy: str, dose: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RemedyError, match=complaint.replace("(", r"\(")):
        remedy_from(Item(remedy, dose))
