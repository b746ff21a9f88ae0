"""The comments that say where code belongs, in what the remedies print."""

import ast

import pytest

from gradmedic.treatment.code_places import CodePlace, is_named, place, sections, start_loop
from gradmedic.treatment.patching import all_edits
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.treatment.remedies import all_remedies

SITED = ("standardize-targets", "match-shapes")
"""Remedies whose code belongs into the model or the data: it is pasted by hand."""


def test_parts_are_told_by_their_places() -> None:
    code = "# behind the line that makes the optimizer\na = 1\n# a remark\n\n# after optimizer.step()\na.step()\n"
    assert list(sections(code)) == [(CodePlace.OPTIMIZER, "a = 1\n# a remark"), (CodePlace.MOVED, "a.step()")]
    assert list(sections("x = 1")) == [(None, "x = 1")]
    assert list(sections("")) == []


def test_no_place_is_mistaken_for_another() -> None:
    assert [place(f"# {where.value}; and more") for where in CodePlace] == list(CodePlace)
    assert place("# somewhere else") is None


@pytest.mark.parametrize("name", all_remedies())
def test_code_is_written_by_an_edit_or_says_where_it_belongs(name: str) -> None:
    """A remedy whose comment nobody recognizes would be left to the user for no reason."""
    claimed = {remedy for edit in all_edits().values() for remedy in edit.remedies}
    if name in claimed or name in SITED:
        return
    remedy = next(dose for dose in _doses(name))
    places = [where for where, _ in sections(remedy.code())]
    assert places
    assert None not in places


def _doses(name: str):  # type: ignore[no-untyped-def]
    """The remedy at some dose, by the types of its fields."""
    kind = all_remedies()[name]
    values = {"weights": ("a.weight",), "parameters": (), "activation": "tanh"}
    fields = ast.literal_eval(repr(list(vars(kind)["__dataclass_fields__"])))
    yield kind(**{key: values.get(key, 1) for key in fields if key in values or _is_needed(kind, key)})


def _is_needed(kind: type, key: str) -> bool:
    return not hasattr(kind, key)


def test_code_comes_in_the_order_of_a_script() -> None:
    items = [Item("clip-grad-norm", {"max_norm": 1.0}), Item("learning-rate", {"factor": 0.1}), Item("init-he")]
    code = Prescription(tuple(items)).code()
    assert [line for line in code.splitlines() if line.removeprefix("# ") in all_remedies()] == [
        "# init-he",
        "# learning-rate",
        "# clip-grad-norm",
    ]
    assert ast.parse(code).body


@pytest.mark.parametrize(
    ("names", "condition"),
    [
        (["head.weight"], 'name == "head.weight"'),
        (["a", "b"], 'name in ("a", "b")'),
        (["body.*.weight"], r're.fullmatch(r"body\.[^.]*\.weight", name)'),
        (["a", "b.*"], r'any(re.fullmatch(one, name) for one in (r"a", r"b\.[^.]*"))'),
    ],
)
def test_names_become_a_condition(names: list[str], condition: str) -> None:
    assert is_named(names) == condition
    assert ast.parse(condition).body


def test_a_loop_that_gives_weights_a_start_says_where_it_belongs_and_what_it_needs() -> None:
    code = start_loop(["body.*.weight"], "one(weight)", "other(weight)")
    assert code.splitlines()[:2] == [f"# {CodePlace.MODEL.value}", "import re"]
    assert '    elif re.fullmatch(r"body\\.[^.]*\\.bias", name):\n        other(weight)' in code
    assert "elif" not in start_loop(["W"], "one(weight)", "other(weight)")
