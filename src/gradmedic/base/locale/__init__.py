"""Say what gradmedic says in the user's language; the English text is the key of every catalog.

A catalog is a `.po` file, gettext's own source format, which every translation tool can edit.
It is read as it stands: there is nothing to compile and nothing that can be out of date.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from gradmedic.base.errors import SettingsError
from gradmedic.base.messages import Message

CATALOGS = {"zh": "zh_CN.po"}
LANGUAGES = ("en", *CATALOGS)

_STRING = r'"(?:[^"\\]|\\.)*"'
_ENTRY = re.compile(rf"^msgid\s+((?:{_STRING}\s*)+)^msgstr\s+((?:{_STRING}\s*)+)", re.MULTILINE)


def parse(po: str) -> dict[str, str]:
    """The translations in the text of a `.po` file; an empty one counts as missing."""
    pairs = ((_unquoted(key), _unquoted(value)) for key, value in _ENTRY.findall(po))
    return {key: value for key, value in pairs if key and value}


def _unquoted(strings: str) -> str:
    return "".join(literal_eval(string) for string in re.findall(_STRING, strings))


@cache
def catalog(lang: str) -> Mapping[str, str]:
    """All translations into a language; none for English, which is what the keys are in."""
    if lang not in LANGUAGES:
        raise SettingsError(f"language {lang!r} is not one of {', '.join(LANGUAGES)}")
    if lang not in CATALOGS:
        return {}
    return parse((files(__name__) / CATALOGS[lang]).read_text(encoding="utf-8"))


def translator(lang: str) -> Callable[[str], str]:
    """A function that looks a text up, and gives it back as it is where there is no translation."""
    translations = catalog(lang)
    return lambda text: translations.get(text, text)


def say(message: Message, lang: str = "en") -> str:
    """The message as a sentence in a language, messages within it included."""
    values = {key: say(value, lang) if isinstance(value, Message) else value for key, value in message.values.items()}
    return translator(lang)(message.text).format(**values)
