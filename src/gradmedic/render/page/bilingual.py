"""Text for a page in every language at once; the reader's choice hides the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from markupsafe import Markup, escape

from gradmedic.base.locale import LANGUAGES, say, translator
from gradmedic.base.messages import Message

Translate = Callable[[str], str]

_shown: ContextVar[Sequence[str]] = ContextVar("languages", default=tuple(LANGUAGES))


@contextmanager
def only(lang: str) -> Iterator[None]:
    """Make text in one language alone, for what no reader can switch."""
    token = _shown.set((lang,))
    try:
        yield
    finally:
        _shown.reset(token)


def in_all(phrase: Callable[[str], str]) -> Markup:
    """What `phrase` says for each language code, each version marked with its language; once where all agree."""
    versions = {lang: phrase(lang) for lang in _shown.get()}
    if len({*versions.values()}) == 1:
        return escape(next(iter(versions.values())))
    spans = (Markup('<span lang="{}">{}</span>').format(lang, text) for lang, text in versions.items())
    return Markup("").join(spans)


def text(phrase: Callable[[Translate], str]) -> Markup:
    """A phrase that is built with a translator, in all languages."""
    return in_all(lambda lang: phrase(translator(lang)))


def sentence(message: Message) -> Markup:
    """A message in all languages."""
    return in_all(lambda lang: say(message, lang))
