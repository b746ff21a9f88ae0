"""Renderers: each writes a report in one format.

A renderer is a class in a file of its own, found by its suffix: `-o report.md` picks the one
whose suffix is `.md`. It sees the report and nothing else. The other files here are the parts
that several of them draw with.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from gradmedic.base.atomic_write import write
from gradmedic.base.errors import SettingsError
from gradmedic.base.plugins import discover
from gradmedic.diagnosis.report import Report


class Renderer(ABC):
    """Writes a report in one format."""

    name: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def render(self, report: Report, lang: str) -> str:
        """The whole report as text, ready to be written to a file."""


def all_renderers() -> dict[str, type[Renderer]]:
    """Every renderer, ours and those of installed plug-ins, by suffix."""
    return {
        renderer.suffix: renderer
        for renderer in discover(Renderer, f"{__name__}.report", "gradmedic.renderers").values()
    }


def renderer_for(path: str | Path) -> Renderer:
    """The renderer that a file's suffix asks for."""
    known = all_renderers()
    suffix = Path(path).suffix.lower()
    if suffix not in known:
        raise SettingsError(f"cannot write {str(path)!r}: a report ends in {', '.join(known)}")
    return known[suffix]()


def render_to(path: str | Path, report: Report, lang: str = "en") -> None:
    """Write a report to a file, in the format that its suffix asks for."""
    text = renderer_for(path).render(report, lang)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write(Path(path), text.encode())
