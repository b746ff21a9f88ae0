"""The signs that screens are drawn with, and a plain set for streams that know no others."""

from contextlib import nullcontext
from dataclasses import dataclass, fields

from rich.console import Console, RenderableType

from gradmedic.diagnosis.finding import Severity


@dataclass(frozen=True)
class Glyphs:
    """One set of signs. Every mark stands beside its word, and none depends on color."""

    critical: str
    warning: str
    note: str
    healthy: str
    unclear: str
    bar: str
    """Parts of a cell filled from the left, the full one last."""
    column: str
    """Parts of a cell filled from below, the full one last."""
    lost: str
    """Where a curve has no finite value."""
    here: str
    axis: str
    edge: str
    dot: str

    def mark(self, severity: Severity) -> str:
        """The sign that stands beside the severity's word."""
        return {Severity.CRITICAL: self.critical, Severity.WARNING: self.warning}.get(severity, self.note)


UNICODE = Glyphs("✗", "▲", "·", "✓", "?", "▏▎▍▌▋▊▉█", "▁▂▃▄▅▆▇█", "×", "◄", "┤", "│", "·")  # noqa: RUF001 (a cross, not a letter)
ASCII = Glyphs("[X]", "[!]", "-", "[OK]", "[?]", "#", ".:#", "x", "<", "|", "|", "-")

_PLAIN = str.maketrans(
    {"→": "->", "↳": "->", "…": "...", "·": "-", "•": "*", "─": "-", "━": "-", "│": "|", "▌": "|", "≈": "~", "±": "+-"}
    | {"\N{MULTIPLICATION SIGN}": "x", "\N{EN DASH}": "-", "—": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'"}
)


def can_say(text: str, encoding: str) -> bool:
    """Whether a stream of that encoding can carry the text."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def glyphs_for(encoding: str) -> Glyphs:
    """The richest set of signs that a stream of that encoding can carry."""
    signs = "".join(str(getattr(UNICODE, field.name)) for field in fields(UNICODE))
    return UNICODE if can_say(signs, encoding) else ASCII


def sayable(text: str, encoding: str) -> str:
    """The text with what the encoding lacks spelled out in ASCII."""
    if can_say(text, encoding):
        return text
    return text.translate(_PLAIN).encode("ascii", "backslashreplace").decode("ascii")


def emit(console: Console, *pieces: RenderableType, soft_wrap: bool = False) -> None:
    """Print, with what the console's encoding lacks spelled out: rich itself would raise UnicodeEncodeError."""
    with nullcontext() if console.encoding.startswith("utf") else console.capture() as captured:
        for piece in pieces:
            console.print(piece, soft_wrap=soft_wrap, highlight=False)
    if captured:
        console.file.write(sayable(captured.get(), console.encoding))
        console.file.flush()
