"""Patching: a prescription written into the user's own script, where that is certain to be right.

Each edit knows how to write some remedies. It works on the script's text by the positions that `ast`
gives, so that everything else in it stays as it is to the character. What it cannot do with certainty
it leaves, whole, and says why: that is left to the code which a remedy prints. Third parties announce
edits for remedies of their own under the entry point group `gradmedic.patching`; a remedy whose code
says where it belongs (`gradmedic.treatment.code_places`) needs none.
"""

import difflib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from gradmedic.base.messages import Message
from gradmedic.base.plugins import discover
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit, UnsureError, changed, overlap
from gradmedic.treatment.prescription import Item

ANY = "*"
"""The remedy of the edit that writes whatever no other one does."""


@dataclass(frozen=True)
class Order:
    """A remedy that is to be written into a script, with the lines that it would have a user paste."""

    item: Item
    code: str = ""

    def number(self, key: str, usual: float | None = None) -> float:
        """A number of its dose."""
        return float(self._value(key, usual))

    def text(self, key: str, usual: str | None = None) -> str:
        """A word of its dose."""
        return str(self._value(key, usual))

    def words(self, key: str) -> list[str]:
        """A list of names of its dose; none where it is not given."""
        return [str(one) for one in self._value(key, ())]

    def _value(self, key: str, usual: Any) -> Any:
        if usual is None and key not in self.item.dose:
            raise UnsureError(Message("its dose {key} is missing", {"key": key}))
        return self.item.dose.get(key, usual)


class Edit(ABC):
    """One kind of change to a script; `remedies` are those that it writes."""

    name: ClassVar[str]
    remedies: ClassVar[tuple[str, ...]]

    @abstractmethod
    def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
        """Everything that has to be changed for one remedy; raises `UnsureError` if any of it is not certain."""


def all_edits() -> dict[str, type[Edit]]:
    """Every kind of edit, by name."""
    return discover(Edit, f"{__name__}.edits", "gradmedic.patching")


@dataclass(frozen=True)
class UnwrittenRemedy:
    """A remedy that was not written, and why."""

    item: Item
    why: Message


@dataclass(frozen=True)
class Patch:
    """A script with what could be written into it, and what could not."""

    source: ParsedScript
    text: str
    written: tuple[Item, ...] = ()
    left: tuple[UnwrittenRemedy, ...] = ()

    @property
    def is_whole(self) -> bool:
        """True where nothing was left."""
        return not self.left

    def diff(self, name: str = "") -> str:
        """The change as a unified diff, for `patch -p0`, `patch -p1` and `git apply`; empty if there is none."""
        path = f"./{(name or self.source.name).removeprefix('./')}"
        path = _quoted(path)
        header = f"{path}\t" if " " in path else path
        rows = difflib.unified_diff(_rows(self.source.text), _rows(self.text), header, header)
        return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)


def _quoted(path: str) -> str:
    """A path as `git` and `patch` write one that would not stay on its line."""
    if path.isprintable() and not set('"\\') & set(path):
        return path
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03o}" for byte in os.fsencode(path))
    return f'"{"".join(plain)}"'


def _is_import(change: TextEdit) -> bool:
    return change.start == change.end and change.text.startswith(("import ", "from "))


def _rows(text: str) -> list[str]:
    """The lines as `patch` counts them: nothing but a newline ends one."""
    return [row for row in re.split(r"(?<=\n)", text) if row]


def patched(source: ParsedScript, orders: Iterable[Order]) -> Patch:
    """Write remedies into a script, each of them whole or not at all."""
    changes: list[TextEdit] = []
    written, left = [], []
    for order in orders:
        try:
            changes += _fitting(source, order, changes)
            written.append(order.item)
        except UnsureError as reason:
            left.append(UnwrittenRemedy(order.item, reason.message))
        except Exception as error:  # of an edit: the others are written all the same
            values = {"error": f"{type(error).__name__}: {error}"}
            left.append(UnwrittenRemedy(order.item, Message("the edit has failed ({error})", values)))
    return Patch(source, changed(source.text, changes), tuple(written), tuple(left))


def _fitting(source: ParsedScript, order: Order, others: list[TextEdit]) -> list[TextEdit]:
    """The changes that a remedy makes, beside those that are made already."""
    by_remedy = {remedy: edit for edit in all_edits().values() for remedy in edit.remedies}
    edit = by_remedy.get(order.item.remedy, by_remedy[ANY])
    found = edit().changes(source, order)
    if not found:
        raise UnsureError(Message("there is nothing to change"))
    imports = dict.fromkeys(one for one in found if _is_import(one) and one not in others)
    made = [*imports, *(one for one in found if not _is_import(one))]
    if any(overlap(one, other) for at, one in enumerate(made) for other in (*others, *made[:at])):
        raise UnsureError(Message("two changes would meet in one place"))
    try:
        compile(changed(source.text, [*others, *made]), source.name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        raise UnsureError(Message("what would come of it is not valid Python")) from None
    return made
