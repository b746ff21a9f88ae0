"""Make one recording of those of all ranks of a distributed run.

Each rank sees its own part of the batch. Rank 0 (or the lowest that there is) says which operations
and parameters there are; the others are matched to it by name. A step's loss is the mean over the
ranks. Sizes (rms, norm) are root mean squares, a minimum is the least, a maximum and the share of
numbers that are not finite are those of the worst rank, other numbers are means. Ledgers are taken
from the lowest rank, whole: a mean of ledgers would no longer add up. Events name their rank.
The order in which the ranks are given makes no difference.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum, hypot, inf, isfinite, isnan, nan, sqrt
from operator import attrgetter
from typing import Any, TypeVar

from gradmedic.recording.records import Capture, Event, Recording, Vital
from gradmedic.recording.site import Parameter, Site

R = TypeVar("R", bound=Vital | Capture)
Ids = Mapping[int, int]
"""The id of rank 0 for each id of another rank that has a counterpart there."""


def merged(ranks: Mapping[int, Recording]) -> Recording:
    """One recording of several, by rank."""
    ranks = dict(sorted(ranks.items()))
    first = next(iter(ranks.values()))
    if len(ranks) == 1:
        return first
    sites = {rank: _matched(first.sites, other.sites, _site_key) for rank, other in ranks.items()}
    parameters = {
        rank: _matched(first.parameters, other.parameters, attrgetter("name")) for rank, other in ranks.items()
    }
    captures = [
        [_renamed(capture, sites[rank], parameters[rank]) for capture in other.captures]
        for rank, other in ranks.items()
    ]
    return replace(
        first,
        vitals=[_vital(same) for same in _same([other.vitals for other in ranks.values()])],
        captures=[_capture(same) for same in _same(captures)],
        events=list(_events(ranks, sites)),
        run={**first.run, "merged": {"ranks": list(ranks), "worst": max(ranks, key=lambda rank: _harm(ranks[rank]))}},
    )


def _site_key(site: Site) -> tuple[int, str, str]:
    return site.stream, site.name, site.op


def _matched(ours: Mapping[int, Any], theirs: Mapping[int, Any], key: Callable[[Any], object]) -> Ids:
    ids = {name: id for id, name in _numbered(ours, key)}
    return {id: ids[name] for id, name in _numbered(theirs, key) if name in ids}


def _numbered(things: Mapping[int, Site | Parameter], key: Callable[[Any], object]) -> Iterator[tuple[int, object]]:
    seen = Counter[object]()
    for id, thing in sorted(things.items()):
        seen[key(thing)] += 1
        yield id, (key(thing), seen[key(thing)])


def _renamed(capture: Capture, sites: Ids, parameters: Ids) -> Capture:
    def known(numbers: Mapping[int, Any], ids: Ids) -> dict[int, Any]:
        return {ids[id]: value for id, value in numbers.items() if id in ids}

    return replace(
        capture,
        sites=known(capture.sites, sites),
        parameters=known(capture.parameters, parameters),
        profiles=known(capture.profiles, sites),
        times=known(capture.times, sites),
    )


def _same(ranks: Iterable[Sequence[R]]) -> list[list[R]]:
    """What the ranks saw of the same backward pass: the n-th one of a step and stream."""
    groups: dict[tuple[int, int, int], list[R]] = {}
    for records in ranks:
        seen = Counter[tuple[int, int]]()
        for record in records:
            step = (record.step, record.stream)
            groups.setdefault((*step, seen[step]), []).append(record)
            seen[step] += 1
    return sorted(groups.values(), key=lambda same: (same[0].step, same[0].time))


def _vital(same: Sequence[Vital]) -> Vital:
    losses = [v.loss for v in same if v.loss is not None]
    norms = [v.grad_norm for v in same if v.grad_norm is not None]
    return same[0]._replace(
        loss=_mean(losses) if losses else None,
        grad_norm=_worst(norms) if norms else None,
        skipped=any(v.skipped for v in same),
    )


def _capture(same: Sequence[Capture]) -> Capture:
    losses = [c.loss for c in same if c.loss is not None]
    return replace(
        same[0],
        loss=_mean(losses) if losses else None,
        sites=_numbers([c.sites for c in same]),
        parameters=_numbers([c.parameters for c in same]),
        profiles={site: _profile(site, same) for c in same for site in c.profiles},
        times={site: times for c in reversed(same) for site, times in c.times.items()},
    )


def _numbers(same: Sequence[Mapping[int, Mapping[str, float]]]) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, list[float]]] = {}
    for ranks in same:
        for id, numbers in ranks.items():
            columns = found.setdefault(id, {})
            for column, number in numbers.items():
                columns.setdefault(column, []).append(number)
    return {id: {c: _rule(c)(numbers) for c, numbers in columns.items()} for id, columns in found.items()}


def _profile(site: int, same: Sequence[Capture]) -> Sequence[float]:
    lowest = next(c for c in same if site in c.profiles)
    alike = [c.profiles[site] for c in same if site in c.profiles and c.times.get(site) == lowest.times.get(site)]
    if len({len(profile) for profile in alike}) > 1:
        return lowest.profiles[site]
    return [_rms(numbers) for numbers in zip(*alike, strict=True)]


def _events(ranks: Mapping[int, Recording], sites: Mapping[int, Ids]) -> Iterator[Event]:
    """All but the tallies by step; then the last tallies of each rank, rank 0 at the end: the last one counts."""
    told = [(e.step, rank, e) for rank, other in ranks.items() for e in other.events if e.kind != "tallies"]
    for _, rank, event in sorted(told, key=lambda item: item[:2]):
        yield _of_rank(event, rank, sites[rank])
    for rank, other in reversed(list(ranks.items())):
        for event in other.events_of("tallies")[-1:]:
            yield _of_rank(event, rank, sites[rank])


def _of_rank(event: Event, rank: int, sites: Ids) -> Event:
    data = {**event.data, "rank": rank}
    if "site" in data:
        data["site"] = sites.get(data["site"])
    return replace(event, data=data)


def _harm(recording: Recording) -> tuple[bool, float]:
    losses = [v.loss for v in recording.vitals if v.loss is not None]
    return not all(map(isfinite, losses)), _mean(list(filter(isfinite, losses)) or [-inf])


def _rule(column: str) -> Callable[[Sequence[float]], float]:
    return RULES.get(column.rpartition("_")[2], _mean)


def _mean(numbers: Sequence[float]) -> float:
    odd = {number for number in numbers if not isfinite(number)}
    if odd:
        return odd.pop() if len(odd) == 1 else nan
    half = fsum(number / len(numbers) / 2 for number in numbers)  # the whole may be rounded up to what no float holds
    return min(max(2 * half, min(numbers)), max(numbers))


def _rms(numbers: Sequence[float]) -> float:
    return hypot(*numbers) / sqrt(len(numbers))


def _worst(numbers: Sequence[float]) -> float:
    return nan if any(map(isnan, numbers)) else max(numbers)


def _least(numbers: Sequence[float]) -> float:
    return nan if any(map(isnan, numbers)) else min(numbers)


RULES = {"rms": _rms, "norm": _rms, "min": _least, "max": _worst, "bad": _worst}
"""How a number is combined, by the last word of its name; a mean if it is not here."""
