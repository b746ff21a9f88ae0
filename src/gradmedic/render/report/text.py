"""The report as plain text: the screen, without a terminal."""

from collections.abc import Callable
from io import StringIO
from typing import ClassVar

from rich.console import Console

from gradmedic.diagnosis.report import Report
from gradmedic.render import Renderer
from gradmedic.render.report.terminal import show

WIDTH = 80


class TextFile(Renderer):
    """The screen as a terminal of 80 columns would show it, without color."""

    name: ClassVar[str] = "text"
    suffix: ClassVar[str] = ".txt"

    def render(self, report: Report, lang: str) -> str:
        return plainly(lambda console: show(report, lang, console))


def plainly(draw: Callable[[Console], None]) -> str:
    """What is drawn on a console, as it would show on a terminal of 80 columns, without color."""
    file = StringIO()
    draw(Console(file=file, width=WIDTH, force_terminal=False, legacy_windows=False))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
