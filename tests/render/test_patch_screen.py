"""What is printed of a patch: the diff to the character, the verdict, and what is left with its lines."""

from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from gradmedic.base.messages import Message
from gradmedic.render.patch import show, tell
from gradmedic.treatment.patching import Patch, UnwrittenRemedy
from gradmedic.treatment.patching.script.source import ParsedScript
from gradmedic.treatment.prescription import Item
from gradmedic.trials.patch_agreement import Agreement, Degree


@dataclass(frozen=True)
class Written:
    """What a verb returns, drawn by hand."""

    patch: Patch
    diff: str = "--- ./train.py\n+++ ./train.py\n@@ -1 +1 @@\n-x = 1\n+x = [2]\n"
    code: str = "# normalize\nx = norm(layer(x))"
    agreement: Agreement | None = None


LEFT = UnwrittenRemedy(Item("normalize"), Message("line {line} works in place", {"line": 7}))
WRITTEN = Written(
    Patch(ParsedScript("x = 1\n"), "x = [2]\n", left=(LEFT,)), agreement=Agreement(Degree.END, "0.12", "0.13")
)


def printed(lang: str, *, whole: bool = False, terminal: bool = False) -> str:
    console = Console(file=StringIO(), width=40, force_terminal=terminal, color_system=None)
    if whole:
        show(WRITTEN, "# all of it\nclip()", lang, console)
    else:
        tell(WRITTEN, lang, console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_verdict_comes_first_and_then_what_is_left_and_its_lines() -> None:
    assert printed("en").splitlines() == [
        "✓ The patched script does what the trial did: loss 0.12 against 0.13.",
        "· normalize is left to you: line 7 works in place.",
        "",
        "# normalize",
        "x = norm(layer(x))",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_the_whole_prescription_is_printed_once_as_code_and_once_as_a_diff(terminal: bool) -> None:
    lines = printed("en", whole=True, terminal=terminal).splitlines()
    assert lines[:8] == ["", "# all of it", "clip()", "", *WRITTEN.diff.splitlines()[:4]]
    assert lines[8] == "+x = [2]"
    assert "x = norm(layer(x))" not in lines


def test_it_is_said_in_chinese() -> None:
    assert "第 7 行是原地操作" in printed("zh")
