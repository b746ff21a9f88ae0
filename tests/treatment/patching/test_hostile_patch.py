"""What stands in a prescription, and what files are called, reaches a patch as a value or not at all."""

import ast
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.edits import SCRIPT

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.patching import Order, patched
from gradmedic.treatment.patching.script.source import ParsedScript
from gradmedic.treatment.prescription import Item
from gradmedic.treatment.remedies import all_remedies, remedy_from

PIECES = ['"', "'", "\\", "\n", "\r", "#", ";", "(", ")", "*", ".", "body.0.weight", "{0}", "\u202e", "\u2028"]
PIECES += ["PWNED()", "\n+++ ./other.py", "\n@@ -1 +1 @@\n", '"""', "os.system", "torch.optim.", "relu", "Sigmoid"]
hostile = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
values = st.one_of(hostile, st.lists(hostile, max_size=3), st.floats(), st.integers(), st.just(10**400), st.booleans())


def read(code: str) -> set[str]:
    """The names that code reads or calls."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_dose_gets_out_of_its_place_in_a_patch(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(all_remedies())))
    kind: Any = all_remedies()[name]
    names = [one.name for one in fields(kind)]
    dose: dict[str, Any] = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, values)))
    try:
        order = Order(Item(name, dose), remedy_from(Item(name, dose)).code())
    except RemedyError:
        return
    patch = patched(ParsedScript(SCRIPT), [order])
    assert not read(patch.text) & {"PWNED", "os"}
    lines = re.findall(r"[^\n]*\n", patch.diff("train.py"))
    assert all(line[0] in " +-@\\" and line[:-1].isprintable() for line in lines)
    assert sum(line.startswith(("+++ ", "--- ")) for line in lines) == (2 if lines else 0)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
def test_no_file_name_gets_out_of_its_line_of_a_diff(name: str) -> None:
    lines = patched(ParsedScript(SCRIPT), [Order(Item("learning-rate", {"factor": 0.1}), "")]).diff(name).split("\n")
    assert lines[0].startswith(("--- ./", '--- "./'))
    assert lines[1].startswith(("+++ ./", '+++ "./'))
    assert lines[2].startswith("@@ ")
    assert all(line.rstrip("\t").isprintable() for line in lines[:2])


@pytest.mark.parametrize("name", ["train.py", "my train.py", "a\nb.py", 'ü\x1b"\\.py'])
def test_git_finds_the_file_by_its_name_in_the_diff(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SCRIPT)
    patch = patched(ParsedScript(SCRIPT), [Order(Item("learning-rate", {"factor": 0.1}), "")])
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply"], cwd=tmp_path, input=patch.diff(name).encode(), check=True)
    assert (tmp_path / name).read_text() == patch.text
