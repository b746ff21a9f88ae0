"""Run the console blocks of a page as a reader would, and paste what they print: `console_blocks.py docs/tutorial.md`.

A block is fenced as `console`; a line that begins with `$ ` is a command, the lines below are what it prints. In
the pasted output a line `…` stands for any lines: those that a page leaves out are left out again.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LEFT_OUT = "…"
MINUTES = 10


@dataclass(frozen=True)
class Step:
    """A command, and what stands below it on the page."""

    command: str
    shown: tuple[str, ...]


def blocks(text: str) -> list[list[Step]]:
    """The commands of each console block of a page."""
    return [list(_steps(match[1].splitlines())) for match in BLOCK.finditer(text)]


def _steps(lines: list[str]) -> Iterator[Step]:
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield Step(lines[start].removeprefix("$ "), tuple(lines[start + 1 : end]))


def workplace(folder: Path) -> None:
    """A folder as a reader has it: the bundled scripts, under the name that the page gives them."""
    for script in (ROOT / "examples").glob("*.py"):
        shutil.copy(script, folder)


def printed(command: str, folder: Path) -> list[str]:
    """What a command prints in a folder, on both streams."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environ = os.environ | {"PATH": path, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * MINUTES,
    )
    return [line.rstrip() for line in done.stdout.splitlines()]


def pasted(text: str, folder: Path) -> str:
    """A page with what its commands print now; output that ends with a line that is left out is cut there."""

    def fresh(match: re.Match[str]) -> str:
        lines: list[str] = []
        for step in _steps(match[1].splitlines()):
            out = printed(step.command, folder)
            if LEFT_OUT in step.shown:
                kept = step.shown.index(LEFT_OUT)
                out = [*out[:kept], LEFT_OUT, *out[len(out) - (len(step.shown) - kept - 1) :]]
            lines += [f"$ {step.command}", *out]
        return "\n".join(["```console", *lines, "```"])

    return BLOCK.sub(fresh, text)


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as scratch:
            workplace(Path(scratch))
            page.write_text(pasted(page.read_text(encoding="utf-8"), Path(scratch)), encoding="utf-8")
