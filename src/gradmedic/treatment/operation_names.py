"""How a prescription names an operation of a script: `body.1/relu`, or `train.py:31/relu#2`.

Before the slash stands the module that was at work, by its path, or the user's own line; behind
it the operation; `#2` is the third such call in one pass. A `*` stands for anything.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from gradmedic.base.errors import RemedyError
from gradmedic.base.name_patterns import folded, glob
from gradmedic.diagnosis.features.structure import sites_of
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Site

_LINE = re.compile(r":(\d+|\*)$")


@dataclass(frozen=True)
class OperationName:
    """A name for calls: which operation, where, and which of several in a row."""

    place: str
    op: str
    nth: int | None = None

    @classmethod
    def parse(cls, text: str) -> "OperationName":
        """Read a name; raises `RemedyError` if it is none."""
        place, slash, rest = text.rpartition("/")
        op, mark, nth = rest.partition("#")
        if not slash or not op or (mark and not nth.isdigit()):
            raise RemedyError(f"{text!r} names no operation; write it as body.1/relu or train.py:31/relu")
        return cls(place, op, int(nth) if mark else None)

    def __str__(self) -> str:
        return f"{self.place}/{self.op}" + ("" if self.nth is None else f"#{self.nth}")

    @property
    def is_line(self) -> bool:
        """True where the place is a line of the script."""
        return _LINE.search(self.place) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return glob(self.place)

    def is_at(self, place: str) -> bool:
        """True if it names this place."""
        return self._pattern.fullmatch(place) is not None


def place_of(site: Site) -> str:
    """The place of a site: its module, or outside of modules and in the outermost one its line."""
    if site.module:
        return site.module
    return f"{PurePath(site.file).name}:{site.line}" if site.file else ""


def spots(recording: Recording, sites: Iterable[Site]) -> tuple[str, ...]:
    """Names for some sites of a recording; those of all sites of one name in one place are one."""
    wanted = {site.id for site in sites}
    groups: dict[tuple[str, str], list[Site]] = {}
    for site in sorted(recording.sites.values(), key=lambda site: (site.stream, site.order)):
        groups.setdefault((place_of(site), site.op), []).append(site)
    named: list[str] = []
    for (place, op), group in groups.items():
        chosen = [at for at, site in enumerate(group) if site.id in wanted]
        if len(chosen) == len(group):
            named.append(f"{place}/{op}")
        else:
            named.extend(f"{place}/{op}#{at}" for at in chosen)
    return folded(named, (f"{place}/{op}" for place, op in groups))


def spots_of(finding: Finding, recording: Recording) -> tuple[str, ...]:
    """Names for the operations that a finding is about; for one that no site stands for, by the line that it tells."""
    found = sites_of(finding, recording)
    if found:
        return spots(recording, found)
    op = finding.evidence.get("op")
    lines = [f"{PurePath(place.file).name}:{place.line}" for place in finding.places if place.file]
    return tuple(f"{line}/{op}" for line in lines) if op else ()
