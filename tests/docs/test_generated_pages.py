"""Pages that are written from the code are what the code says now."""

import pytest
from support.docs_scripts import DOCS, docs_script

from gradmedic.diagnosis.rules import all_rules


@pytest.mark.parametrize("name", ["commands", "settings"])
def test_a_reference_is_what_the_code_says(name: str) -> None:
    module = docs_script(name)
    assert module.FILE.read_text(encoding="utf-8") == module.text(), "make docs"


def test_every_diagnosis_is_listed() -> None:
    module = docs_script("diagnoses")
    text = (DOCS / "diagnoses" / "README.md").read_text(encoding="utf-8")
    assert text == module.HEAD + "".join(map(module.listed, all_rules())), "make docs"
