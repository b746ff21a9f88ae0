"""What the pages show is what their commands print."""

import re
from pathlib import Path

import pytest
from support.docs_scripts import DOCS, docs_script

console = docs_script("console_blocks")
PAGES = sorted(page for page in DOCS.rglob("*.md") if console.blocks(page.read_text(encoding="utf-8")))


def without_numbers(line: str) -> str:
    """A line without what differs from run to run: numbers, bars and the space around them."""
    line = re.sub(r"[▉▊▋▌▍▎▏█▁▂▃▄▅▆▇]+", "", line)
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d[\d.,e+-]*", "#", line)).strip()


def is_like(shown: list[str], out: list[str]) -> bool:
    """True if lines are alike but for numbers; a line that is left out stands for any."""
    if not shown:
        return not out
    if shown[0] == console.LEFT_OUT:
        return any(is_like(shown[1:], out[at:]) for at in range(len(out) + 1))
    return bool(out) and without_numbers(shown[0]) == without_numbers(out[0]) and is_like(shown[1:], out[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    console.workplace(tmp_path)
    for steps in console.blocks(page.read_text(encoding="utf-8")):
        for step in steps:
            out = console.printed(step.command, tmp_path)
            assert is_like(list(step.shown), out), f"{step.command}\n" + "\n".join(out)


def test_lines_that_differ_in_words_are_not_alike() -> None:
    assert is_like(["loss 1.5 → 0.3"], ["loss 2.5 → 0.1"])
    assert is_like(["a", "…", "z"], ["a", "b", "c", "z"])
    assert not is_like(["healthy"], ["critical"])
    assert not is_like(["a"], ["a", "b"])
    assert not is_like(["a", "b"], ["a"])
