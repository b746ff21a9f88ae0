"""Text of others as a screen may show it: what moves the cursor, ends a line or turns it around is spelled out."""

from collections.abc import Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

T = TypeVar("T")

CODE = "code"
"""The field that holds lines of code: its lines stay lines."""


def visible(value: T) -> T:
    """The value with every text within it made visible; where nothing has to be, the value itself."""
    found: Any = _seen(value)
    return value if found is None else found


def visible_text(text: str, kept: str = "") -> str:
    """The text with control characters, line breaks and bidirectional marks as Python writes them."""
    if text.isprintable():
        return text
    return "".join(one if one in kept or one.isprintable() or _is_space(one) else _escaped(one) for one in text)


def visible_lines(text: str) -> str:
    """The same of a text of several lines, which it keeps."""
    return visible_text(text, "\n")


def _is_space(character: str) -> bool:
    return character.isspace() and character not in "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _seen(value: Any) -> Any:
    """The visible value, or None where it is visible as it stands: that is nearly always so, and copies nothing."""
    kind = type(value)
    if kind is str:
        shown = visible_text(value)
        return None if shown == value else shown
    if kind is int or kind is float or isinstance(value, type):
        return None
    if is_dataclass(value):
        return _of_dataclass(value)
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, tuple | list):
        changed = {at: shown for at, one in enumerate(value) if (shown := _seen(one)) is not None}
        parts = [changed.get(at, one) for at, one in enumerate(value)] if changed else []
        return (kind(*parts) if hasattr(value, "_fields") else kind(parts)) if changed else None
    return None


def _of_dataclass(value: Any) -> Any:
    held = {one.name: getattr(value, one.name, None) for one in fields(value)}
    changed = {name: shown for name, one in held.items() if (shown := _field(name, one)) is not None}
    if not changed:
        return None
    new = copy(value)
    for name in set(getattr(new, "__dict__", ())) - set(held):  # a property that was worked out from the old texts
        del new.__dict__[name]
    for name, shown in changed.items():
        object.__setattr__(new, name, shown)
    return new


def _field(name: str, value: Any) -> Any:
    if name == CODE and isinstance(value, str):
        shown = visible_lines(value)
        return None if shown == value else shown
    return _seen(value)


def _of_mapping(value: Mapping[Any, Any]) -> dict[Any, Any] | None:
    shown = {_or(_seen(key), key): _or(_seen(one), one) for key, one in value.items()}
    same = all(a is b and shown[a] is value[b] for a, b in zip(shown, value, strict=False)) and len(shown) == len(value)
    return None if same else shown


def _or(shown: Any, value: Any) -> Any:
    return value if shown is None else shown
