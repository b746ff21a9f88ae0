"""Whether a value that came out of a file is what its field is declared to be."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin


def is_of(value: Any, hint: Any) -> bool:
    """Whether a value out of a file is of the type that a hint names."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(is_of(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(is_of(one, inner[0]) for one in value)
    if origin is not None:
        return isinstance(value, Mapping) and all(is_of(one, inner[1]) for one in value.values())
    if hint is float:
        return type(value) is float or (type(value) is int and abs(value) < 10**308)
    if hint is Any or not isinstance(hint, type):
        return True
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))
