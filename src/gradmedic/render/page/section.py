"""Pages that are a verdict and sections under it: sentences, tables with bars, charts, and code to copy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from gradmedic.base.locale import LANGUAGES
from gradmedic.base.visible_text import visible
from gradmedic.render.page.bilingual import only, text
from gradmedic.render.page.curves import Chart
from gradmedic.render.page.document import fragment, page

TEMPLATE = "page/story.html.j2"

NAMES = {"en": "English", "zh": "中文"}


@dataclass(frozen=True)
class Verdict:
    """The headline: a style class of `page.css`, a mark, a word, and a sentence, in all languages."""

    style: str
    mark: str
    word: Markup
    sentence: Markup


@dataclass(frozen=True)
class PageCell:
    """A cell of a table: text or a drawing, and a style class: "number" or "barred"."""

    shown: Markup | str
    style: str = ""


def number_cell(shown: Markup | str) -> PageCell:
    """A cell of a number."""
    return PageCell(shown, "number")


@dataclass(frozen=True)
class PageTable:
    """A table. The first cell of a row names it; `chosen` rows stand out."""

    heads: Sequence[Markup | str]
    rows: Sequence[Sequence[PageCell]]
    chosen: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: Markup
    notes: Sequence[Markup] = ()
    table: PageTable | None = None
    charts: Sequence[Chart] = ()
    code: str = ""


@dataclass(frozen=True)
class Story:
    """A whole page: its title as plain text, verdict, facts in small print, remarks, and sections."""

    title: str
    verdict: Verdict
    sections: Sequence[Section]
    facts: Markup | str = ""
    remarks: Sequence[Markup] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """What other programs read from the page, by the id of its element."""

    def page(self, lang: str) -> str:
        """One file that opens in a language and holds all."""
        charts = {chart.id: chart.data() for section in self.sections for chart in section.charts}
        data = {**self.data, "series": {"charts": charts, "maps": {}}}
        parts: dict[str, Any] = {"languages": languages(), "title": self.title, "words": chart_words(), "it": self}
        return page(TEMPLATE, data, lang=lang, **parts)

    def fragment(self, lang: str) -> str:
        """The same for the output of a notebook's cell; it is to be made with the texts of that language only."""
        return fragment(TEMPLATE, lang, words=chart_words(), it=self)


Build = Callable[[Any, str], Story]
"""Tells the story of a value; its title is in a language."""


def page_of(build: Build, value: Any, lang: str) -> str:
    """The page of a value, which opens in one language and holds all."""
    return build(visible(value), lang).page(lang)


def fragment_of(build: Build, value: Any, lang: str) -> str:
    """The same in one language for the output of a notebook's cell."""
    with only(lang):
        return build(visible(value), lang).fragment(lang)


def languages() -> list[tuple[str, str]]:
    """The codes of the languages that a page can be read in, and their own names."""
    return [(code, NAMES.get(code, code)) for code in LANGUAGES]


def chart_words() -> dict[str, Markup]:
    """The words around a chart, and on the buttons of a page."""
    return {
        "log_scale": text(lambda _: _("log scale")),
        "not_finite": text(lambda _: _("not finite")),
        "step": text(lambda _: _("step")),
        "table": text(lambda _: _("numbers")),
        "copy_code": text(lambda _: _("Copy")),
    }
