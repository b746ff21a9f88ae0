"""The views of values: a renderer registers how a type is drawn in a form, and a value asks for it by the form's name.

So values know that there are views, and import none.
"""

from collections.abc import Callable
from typing import Any

View = Callable[[Any, str], str]
"""Draws a value in a language."""

_views: dict[tuple[type, str], View] = {}
_sources: list[Callable[[], object]] = []


def register(kind: type, form: str, view: View) -> None:
    """Say how values of a type are drawn in a form, such as "text", "json", "markdown" or "html"."""
    _views[kind, form] = view


def load_with(source: Callable[[], object]) -> None:
    """Say what loads views, which it does once the first one is asked for."""
    _sources.append(source)


def view(value: object, form: str, lang: str) -> str:
    """A value in a form and a language; raises `LookupError` where nobody draws such values so."""
    while _sources:
        _sources[-1]()
        _sources.pop()
    if (type(value), form) not in _views:
        raise LookupError(f"nobody draws a {type(value).__name__} as {form}")
    return _views[type(value), form](value, lang)
