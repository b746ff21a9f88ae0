"""The treatment as JSON fits its schema, whatever came of it."""

import json
from pathlib import Path

import pytest
from jsonschema import validate  # type: ignore[import-untyped]
from support.treatments import DRAWN

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/treatment.schema.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", DRAWN)
def test_every_treatment_fits_the_schema(name: str) -> None:
    found = json.loads(DRAWN[name]().to_json())
    validate(found, SCHEMA)
    chosen = [arm["prescription"] for arm in found["arms"] if arm["chosen"]]
    assert chosen == ([found["prescription"]] if found["prescription"] else [])


def test_the_number_of_a_pair_is_told() -> None:
    found = json.loads(DRAWN["helped"]().to_json())
    assert found["arms"][0]["effect"]["proved"]
    assert found["arms"][0]["effect"]["mean"] == pytest.approx(1.11, abs=0.01)
