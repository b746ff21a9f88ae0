"""What a name such as `body.1/sigmoid` or `train.py:31/sigmoid#2` means in the text of a script."""

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

from gradmedic.base.errors import RemedyError
from gradmedic.base.messages import Message
from gradmedic.base.name_patterns import glob
from gradmedic.recording.site import Site
from gradmedic.treatment.operation_names import OperationName
from gradmedic.treatment.patching.script.imports import ImportedNames
from gradmedic.treatment.patching.script.module_construction import Builds
from gradmedic.treatment.patching.script.operation_uses import OperationUse, same_op, uses
from gradmedic.treatment.patching.script.source import ParsedScript, UnsureError

_LINE = re.compile(r"(?P<file>.*):(?P<line>\d+)")


@dataclass(frozen=True)
class Places:
    """Finds the operations that a prescription names in a script."""

    source: ParsedScript

    @cached_property
    def words(self) -> ImportedNames:
        """How the script calls what it imports."""
        return ImportedNames(self.source)

    @cached_property
    def _builds(self) -> Builds:
        return Builds(self.words)

    def uses(self, sites: Iterable[str]) -> list[OperationUse]:
        """Where the script writes the operations of these names: those, all of them, and no others.

        Raises `UnsureError` where that cannot be told.
        """
        names = [_parsed(site) for site in sites]
        found = [use for name in names for use in self._of(name)]
        once = list({id(use.node): use for use in found}.values())
        for use in once:
            self._refuse_more(use, names)
        return once

    def _of(self, name: OperationName) -> list[OperationUse]:
        line = _LINE.fullmatch(name.place)
        if line is not None:
            return self._at_line(name, PurePath(line["file"]).name, int(line["line"]))
        if self.source.recording is not None:
            return self._recorded(name)
        made = self._builds.at(name.place)
        if made is None:
            raise _unknown(name)
        return [self._made(name, made)]

    @cached_property
    def _known(self) -> dict[str, list[OperationUse]]:
        return {}

    def _uses(self, op: str) -> list[OperationUse]:
        if op not in self._known:
            self._known[op] = uses(self.words, op)
        return self._known[op]

    # ── by line ─────────────────────────────────────────────────────────────────────────────

    def _at_line(self, name: OperationName, file: str, line: int) -> list[OperationUse]:
        if file != PurePath(self.source.name).name:
            raise UnsureError(Message("{site} stands in another file", {"site": str(name)}))
        there = self._calls(line, name.op)
        if not there:
            raise UnsureError(Message("no {op} is written in line {line}", {"op": name.op, "line": line}))
        if name.nth is None:
            return there
        seen = self._sites_at(line, name.op)
        if len(seen) != len(there) and (seen or len(there) < 2 or name.nth >= len(there)):
            raise UnsureError(
                Message("line {line} is run several times, and not each of them is meant", {"line": line})
            )
        return [there[name.nth]]

    def _calls(self, line: int, op: str) -> list[OperationUse]:
        """The functions, methods and operators in a line."""
        return [use for use in self._uses(op) if use.is_call and use.line == line]

    def _sites_at(self, line: int, op: str) -> list[Site]:
        """The sites that the functions in a line have made, in their order."""
        there = (s for s in self._sites if s.op == op and s.line == line and self._is_here(s))
        return [site for site in there if not same_op(site.module_type, op)]

    @cached_property
    def _sites(self) -> list[Site]:
        recording = self.source.recording
        held = recording.sites.values() if recording is not None else ()
        return sorted(held, key=lambda site: (site.stream, site.order))

    def _is_here(self, site: Site) -> bool:
        return PurePath(site.file or "").name == PurePath(self.source.name).name

    # ── by module ───────────────────────────────────────────────────────────────────────────

    def _recorded(self, name: OperationName) -> list[OperationUse]:
        """By the modules that were seen: a module where it is made, a function in one where it is called."""
        sites = self._matching(name)
        if not sites:
            raise UnsureError(Message("{site} was not seen when the script ran", {"site": str(name)}))
        found: list[OperationUse] = []
        for site in sites:
            if same_op(site.module_type, name.op):
                found.append(self._made(name, self._builds.at(site.module) or self._only(name)))
            elif site.line is not None and self._is_here(site):
                found += self._at_line(replace(name, nth=None), PurePath(self.source.name).name, site.line)
            else:
                raise _unknown(name)
        return found

    def _matching(self, name: OperationName) -> list[Site]:
        """The sites of a name, in the order of the forward pass."""
        pattern = glob(name.place)
        there = [site for site in self._sites if site.op == name.op and pattern.fullmatch(site.module)]
        return there if name.nth is None else there[name.nth : name.nth + 1]

    def _made(self, name: OperationName, made: ast.expr) -> OperationUse:
        found = [use for use in self._uses(name.op) if use.node is made and not use.is_call]
        if not found:
            raise _unknown(name)
        return found[0]

    def _only(self, name: OperationName) -> ast.expr:
        """The one place in the script where such a module is made."""
        made = [use for use in self._uses(name.op) if not use.is_call]
        if len(made) != 1:
            raise _unknown(name)
        return made[0].node

    # ── no more than was meant ──────────────────────────────────────────────────────────────

    def _refuse_more(self, use: OperationUse, names: Sequence[OperationName]) -> None:
        """Refuse where one expression makes several operations, of which not all are meant."""
        meant = {site.id for name in names for site in self._meant(name)}
        for site in self._sites:
            if site.id not in meant and site.op == use.op and self._makes(use, site):
                values = {"line": use.line, "name": site.name}
                raise UnsureError(Message("line {line} also makes {name}, which is to stay", values))

    def _makes(self, use: OperationUse, site: Site) -> bool:
        is_module = same_op(site.module_type, site.op)
        if not use.is_call:
            made = self._builds.at(site.module)
            return is_module and (made is use.node or made is None)
        if is_module or site.line != use.line or not self._is_here(site):
            return False
        there, seen = self._calls(site.line, use.op), self._sites_at(site.line, use.op)
        return len(there) != len(seen) or there.index(use) == seen.index(site)

    def _meant(self, name: OperationName) -> list[Site]:
        line = _LINE.fullmatch(name.place)
        if line is None:
            return self._matching(name)
        there = self._sites_at(int(line["line"]), name.op)
        return there if name.nth is None else there[name.nth : name.nth + 1]


def _parsed(text: str) -> OperationName:
    try:
        return OperationName.parse(text)
    except RemedyError:
        raise UnsureError(Message("{site} names no operation", {"site": text})) from None


def _unknown(name: OperationName) -> UnsureError:
    return UnsureError(Message("it is not plain where the script makes {site}", {"site": str(name)}))
