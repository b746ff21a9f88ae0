"""The screen as a piece of HTML for the output of a notebook's cell."""

from collections.abc import Callable
from io import StringIO

from rich.console import Console

from gradmedic.diagnosis.report import Report
from gradmedic.render.report.terminal import show

WIDTH = 96

# Inherits the page's colors and adds no style of its own, so it reads in light and dark notebooks.
_FRAME = '<pre style="white-space:pre;overflow-x:auto;line-height:1.25;font-family:monospace">{code}</pre>'


def fragment(report: Report, lang: str) -> str:
    """The screen of a report in color, as preformatted HTML with inline styles."""
    return framed(lambda console: show(report, lang, console))


def framed(draw: Callable[[Console], None]) -> str:
    """What is drawn on a console, as preformatted HTML with inline styles."""
    console = Console(file=StringIO(), width=WIDTH, record=True, force_jupyter=False, force_terminal=True)
    draw(console)
    return console.export_html(inline_styles=True, code_format=_FRAME)
