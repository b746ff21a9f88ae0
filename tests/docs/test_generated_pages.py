"""Pages that are written from the code are what the code says now."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from gradmedic.diagnosis.rules import all_rules

DOCS = Path(__file__).parents[2] / "docs"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["commands", "settings"])
def test_a_reference_is_what_the_code_says(name: str) -> None:
    module = script(name)
    assert module.FILE.read_text(encoding="utf-8") == module.text(), "make docs"


def test_every_diagnosis_is_listed() -> None:
    module = script("diagnoses")
    text = (DOCS / "diagnoses" / "README.md").read_text(encoding="utf-8")
    assert text == module.HEAD + "".join(map(module.listed, all_rules())), "make docs"
