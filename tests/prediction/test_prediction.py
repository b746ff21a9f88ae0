"""A prediction as a value: its verdict, its words, its JSON."""

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from gradmedic.base.messages import Message
from gradmedic.prediction.prediction import PredictedOperation, PredictedParameter, Prediction, Range
from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.site import Kind, Site

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/prediction.schema.json").read_text())


def around(size: float) -> Range:
    return Range(size, size / 2, size * 2)


def layers(*sizes: float) -> Prediction:
    """Layers from the input's end on, with the gradient that arrives at each."""
    operations = [
        PredictedOperation(
            Site(i, f"layers.{i}", Kind.WEIGHTS, "linear", order=i, shape=(8, 16)), around(1.0), around(size), 0.0
        )
        for i, size in enumerate(sizes)
    ]
    ledger = Ledger("layers.0.weight", (Entry(0, "layers.0", "linear", Kind.WEIGHTS, -2.0),))
    weight = PredictedParameter("layers.0.weight", (16, 16), 0.25, around(sizes[0]))
    return Prediction(tuple(operations), (weight,), (ledger,), model="Net")


@pytest.mark.parametrize(
    ("sizes", "verdict"),
    [
        ([1e-9, 1e-8, 1e-6, 1e-4, 1e-2, 1.0], "vanishes"),
        ([1e9, 1e8, 1e6, 1e4, 1e2, 1.0], "explodes"),
        ([1.0, 1.1, 1.0, 0.9, 1.0, 1.0], "fine"),
        ([0.0, 0.0, 0.0, 1e-4, 1e-2, 1.0], "vanishes"),
    ],
)
def test_the_verdict_is_drawn_from_both_ends(sizes: list[float], verdict: str) -> None:
    assert layers(*sizes).verdict == verdict


def test_the_verdict_is_unclear_where_the_ranges_meet() -> None:
    found = layers(1e-6, 1e-5, 1e-2, 1.0, 1.0)
    wide = [replace(operation, grad=Range(1.0, 1e-9, 1e9)) for operation in found.operations]
    wide = [replace(w, grad=replace(w.grad, middle=o.grad.middle)) for w, o in zip(wide, found.operations, strict=True)]  # type: ignore[type-var, union-attr]
    assert replace(found, operations=tuple(wide)).verdict == "unclear"


def test_who_asks_says_from_where_on_a_gradient_vanishes() -> None:
    found = layers(1e-5, 1e-4, 1e-3, 1e-3, 1e-3)
    assert found.verdict == "fine"
    assert found.judged_by(1.0).verdict == "vanishes"
    assert replace(found, recommended=found).judged_by(1.0).recommended == found.judged_by(1.0)


def test_decades_are_counted_per_ten_layers() -> None:
    found = layers(*(10.0 ** (i - 10) for i in range(11)))
    assert found.decades_per_10_layers == pytest.approx(-10.0)


def test_it_is_reliable_unless_there_is_a_reason() -> None:
    found = layers(1.0, 1.0, 1.0)
    assert found.reliable
    assert not replace(found, reasons=(Message("Signals overflow."),)).reliable


def test_json_has_all_of_it_and_only_finite_numbers() -> None:
    found = replace(layers(0.0, 1.0, 1.0), recommended=layers(1.0, 1.0, 1.0))
    told = json.loads(found.to_json())
    assert told["schema"] == "gradmedic.prediction/1"
    assert [operation["name"] for operation in told["operations"]] == ["layers.0", "layers.1", "layers.2"]
    assert told["operations"][1]["grad_rms"] == {"middle": 1.0, "low": 0.5, "high": 2.0}
    assert told["weights"][0]["name"] == "layers.0.weight"
    assert told["ledger"]["total"] == -2.0
    assert told["recommended"]["verdict"] == "fine"


def test_the_screen_folds_many_layers_and_fits_eighty_columns() -> None:
    text = str(layers(*(10.0 ** (i - 60) for i in range(60))))
    assert "VANISHES" in text
    assert "layers.0" in text
    assert len(text.splitlines()) < 24
    assert max(map(len, text.splitlines())) <= 80


def test_the_screen_speaks_chinese() -> None:
    assert "消失" in layers(1e-9, 1e-6, 1e-3, 1.0).to_text("zh")


def test_measured_sizes_stand_beside_and_those_elsewhere_are_marked() -> None:
    found = layers(1e-3, 1e-2, 1.0)
    first, second, last = found.operations
    seen = (replace(first, measured_value=1.1, measured_grad=1.2e-3), replace(second, measured_grad=0.05), last)
    text = str(replace(found, operations=seen))
    assert "Of 2 measured gradients 1 lie where 95 % of initializations are to be." in " ".join(text.split())
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("layers.")}
    assert rows["layers.0"] == ["layers.0", "1", "1.1", "1.0e-03", "1.2e-03"]
    assert rows["layers.1"] == ["layers.1", "1", "-", "0.01", "0.05*"]
    assert rows["layers.2"] == ["layers.2", "1", "-", "1", "-"]
    told = json.loads(replace(found, operations=seen).to_json())
    assert told["operations"][0]["measured_grad_rms"] == 1.2e-3


def test_its_json_is_what_the_schema_says() -> None:
    found = replace(layers(0.0, inf, 1.0), recommended=layers(1.0, 1.0, 1.0), reasons=(Message("Signals overflow."),))
    odd = replace(found.operations[0], grad=None, gain=None, unknown="no rule for cumsum", measured_value=2.0)
    told = json.loads(replace(found, operations=(odd, *found.operations[1:])).to_json())
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid(json.loads(Prediction().to_json()))
    validator.validate(told)
    assert not validator.is_valid({**told, "mood": "good"})
    assert not validator.is_valid({**told, "recommended": {**told["recommended"], "mood": "good"}})
    assert set(SCHEMA["$defs"]["operation"]["properties"]["kind"]["enum"]) == set(Kind)


def test_the_page_explains_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/prediction.md").read_text()
    assert not [key for key in json.loads(Prediction().to_json()) if f"`{key}`" not in page]
