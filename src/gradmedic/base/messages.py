"""Sentences for users, in a form that can be translated."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """A sentence with its numbers kept apart, so that it can be said in another language.

    `text` is the English sentence and the key of the catalog; its `{placeholders}` are filled
    from `values`. A value that is itself a `Message` is translated with it.
    """

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.format(**self.values)
