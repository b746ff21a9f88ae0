"""Names of operations in a prescription, and those of a recording's sites."""

import pytest

from gradmedic.base.errors import RemedyError
from gradmedic.recording.sketch import site, sketch
from gradmedic.treatment.operation_names import OperationName, spots


@pytest.mark.parametrize(
    ("text", "spot"),
    [
        ("body.1/relu", OperationName("body.1", "relu")),
        ("train.py:31/relu#2", OperationName("train.py:31", "relu", 2)),
        ("/exp", OperationName("", "exp")),
        ("*/sigmoid", OperationName("*", "sigmoid")),
    ],
)
def test_a_name_is_a_place_an_operation_and_perhaps_a_number(text: str, spot: OperationName) -> None:
    assert OperationName.parse(text) == spot
    assert str(OperationName.parse(text)) == text


@pytest.mark.parametrize("text", ["relu", "body.1/", "body.1/relu#two"])
def test_what_is_no_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RemedyError, match=r"body\.1/relu"):
        OperationName.parse(text)


def test_sites_are_named_by_module_or_by_line_and_numbered_only_where_some_are_left_out() -> None:
    recording = sketch(
        [
            site("fc.relu", "relu", file="/home/me/train.py", line=7),
            site("fc.relu#2", "relu", file="/home/me/train.py", line=7),
            site("fc.relu#3", "relu", file="/home/me/train.py", line=7),
            site("body.0.relu", "relu", module="body.0"),
            site("body.1.relu", "relu", module="body.1"),
        ]
    )
    everything = list(recording.sites.values())
    assert spots(recording, everything) == ("train.py:7/relu", "body.*/relu")
    assert spots(recording, everything[1:3]) == ("train.py:7/relu#1", "train.py:7/relu#2")
    assert spots(recording, everything[3:4]) == ("body.0/relu",)
