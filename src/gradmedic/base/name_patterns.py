"""Names with wildcards: `body.*.weight` for all blocks of a body, `critic.**` for all that is in a critic."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

_STARS = re.compile(r"(\*\*|\*)")
_NUMBER = re.compile(r"(?<=[.\[])\d+(?=[.\]/]|$)")


@lru_cache(1024)
def glob(text: str) -> re.Pattern[str]:
    """The pattern of a name: `*` stands for anything without a dot, `**` for anything, as does a `*` alone.

    >>> glob("body.*.weight").fullmatch("body.0.weight") is not None
    True
    >>> glob("body.*").fullmatch("body.0.weight") is not None
    False
    """
    if text == "*":
        return re.compile(".*")
    parts = ({"*": "[^.]*", "**": ".*"}.get(part, re.escape(part)) for part in _STARS.split(text))
    return re.compile("".join(parts))


def is_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns stands for the name."""
    return any(glob(pattern).fullmatch(name) for pattern in patterns)


def written(text: str) -> str:
    """The pattern as an argument of `re.fullmatch` in Python code: it fits the same names as `glob`.

    >>> print(written("body.*.weight"))
    r"body\\.[^.]*\\.weight"
    """
    pattern = glob(text).pattern
    return f'r"{pattern}"' if pattern.isprintable() and '"' not in pattern else repr(pattern)


def folded(names: Sequence[str], everybody: Iterable[str]) -> tuple[str, ...]:
    """The names, those that differ in numbers alone written as one with `*`, if nobody else is called like that.

    >>> folded(["body.0.weight", "body.2.weight", "out.weight"], ["body.0.bias"])
    ('body.*.weight', 'out.weight')
    """
    others = set(everybody) - set(names)
    stems = {name: _NUMBER.sub("*", name) for name in names}
    shared = {stem for stem, count in Counter(stems.values()).items() if count > 1}
    alone = {stem for stem in shared if not any(map(glob(stem).fullmatch, others))}
    return tuple(dict.fromkeys(stems[name] if stems[name] in alone else name for name in names))
