"""What every edit promises: it changes what it says and nothing else, in any formatting, and once."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.edits import CASES, SCRIPT, Case

from gradmedic.treatment.patching import ANY, Patch, all_edits, patched
from gradmedic.treatment.patching.script.source import ParsedScript

cases = pytest.mark.parametrize("case", CASES, ids=str)

PREAMBLES = st.sampled_from(["", "# ünïcode 变量 🦆\n", '"""A text\x0c with odd\u2028 ends."""\n', "\n\n\n"])
STYLES = st.tuples(st.sampled_from(["\n", "\r\n"]), st.sampled_from(["\t", "  ", "    ", "        "]), PREAMBLES)


def written(case: Case, text: str, **told: object) -> Patch:
    """The patch of a text."""
    return patched(ParsedScript(text, **told), [case.order])  # type: ignore[arg-type]


def styled(text: str, style: tuple[str, str, str]) -> str:
    """A script with other line ends, another indentation, and other lines above it."""
    newline, unit, preamble = style
    lines = [unit * ((len(line) - len(line.lstrip(" "))) // 4) + line.lstrip(" ") for line in text.split("\n")]
    return newline.join([*preamble.split("\n")[:-1], *lines])


def moved(case: Case, by: int) -> Case:
    """The case for a script with some lines above it."""
    dose = {
        key: [_moved(one, by) for one in value] if isinstance(value, list) else value
        for key, value in case.dose.items()
    }
    return Case(case.remedy, dose, case.before, case.after)


def _moved(name: str, by: int) -> str:
    return re.sub(r"py:(\d+)", lambda found: f"py:{int(found[1]) + by}", name)


@pytest.mark.parametrize("name", all_edits())
def test_has_a_case(name: str) -> None:
    own = all_edits()[name].remedies
    claimed = {remedy for edit in all_edits().values() for remedy in edit.remedies}
    assert [case for case in CASES if case.remedy in own or (ANY in own and case.remedy not in claimed)]


def test_no_remedy_has_two_edits() -> None:
    claimed = [remedy for edit in all_edits().values() for remedy in edit.remedies]
    assert len(claimed) == len(set(claimed))


@cases
def test_changes_what_is_meant_and_nothing_else(case: Case) -> None:
    patch = written(case, case.before)
    assert not patch.left, str(patch.left[0].why)
    assert patch.text == case.after
    ast.parse(patch.text)


@cases
def test_refuses_to_do_it_twice(case: Case) -> None:
    again = written(case, case.after, is_other=True)
    assert not again.written
    assert again.text == case.after
    assert again.diff() == ""


@cases
@settings(deadline=None, max_examples=12)
@given(style=STYLES)
def test_keeps_to_the_formatting_of_the_script(case: Case, style: tuple[str, str, str]) -> None:
    before, after = styled(case.before, style), styled(case.after, style)
    if '"""' in style[2] and case.after.startswith(("import gradmedic", "import re")):
        return
    patch = written(moved(case, style[2].count("\n")), before)
    assert patch.text == after


@cases
@pytest.mark.parametrize("command", [["patch", "-p0"], ["patch", "-p1"], ["git", "apply"]], ids=" ".join)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_diff_is_taken_by_the_tools(case: Case, command: list[str], newline: str, tmp_path: Path) -> None:
    before = case.before.rstrip("\n").replace("\n", newline)
    patch = written(case, before)
    (tmp_path / "sub dir").mkdir()
    script = tmp_path / "sub dir" / "train.py"
    script.write_bytes(before.encode())
    options = ["--binary"] if command[0] == "patch" else []
    diff = patch.diff("sub dir/train.py").encode()
    subprocess.run([*command, *options], cwd=tmp_path, input=diff, check=True, capture_output=True)
    assert script.read_bytes() == patch.text.encode()


@cases
def test_never_writes_half_of_a_remedy(case: Case) -> None:
    """Where the first part of the script is somebody else's, nothing of it is touched."""
    broken = case.before.replace("optimizer", "opt_", 1).replace("torch", "torch")
    patch = written(case, broken)
    assert patch.text == broken or not patch.left


def test_remedies_that_meet_in_one_place_are_not_both_written() -> None:
    both = [case for case in CASES if case.remedy in ("learning-rate", "change-optimizer")]
    patch = patched(ParsedScript(SCRIPT), [case.order for case in both])
    assert [item.remedy for item in patch.written] == ["learning-rate"]
    assert str(patch.left[0].why) == "two changes would meet in one place"
    assert patch.text == both[0].after


def test_remedies_side_by_side_are_all_written() -> None:
    wanted = ("clip-grad-norm", "learning-rate", "weight-decay", "zero-biases", "clip-adaptive")
    chosen = {case.remedy: case for case in CASES if case.before == SCRIPT and case.remedy in wanted}
    patch = patched(ParsedScript(SCRIPT), [case.order for case in chosen.values()])
    assert not patch.left
    assert "lr=0.05, momentum=0.9, weight_decay=0.01)" in patch.text
    assert len(patch.text.splitlines()) == len(SCRIPT.splitlines()) + 6
