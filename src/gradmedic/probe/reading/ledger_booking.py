"""Book a gradient's decades along its dominant path, from the numbers of one backward pass."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite, log10

from gradmedic.probe.graph.layout import Layout
from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.site import Kind, Site

Arrivals = Mapping[int, float]
"""The norm of the gradient that arrives at a vertex."""

Contributions = Mapping[tuple[int, int], float]
"""The norm of what a consumer sends through one of its inputs, where the source has several."""


def book(
    layout: Layout, sites: Sequence[Site | None], arrivals: Arrivals, contributions: Contributions, leaf: int, name: str
) -> Ledger | None:
    """The ledger of one leaf, or None where a number on its path is missing or not finite."""
    path = _climb(layout, arrivals, contributions, leaf)
    if len(path) < 2 or not all(isfinite(arrivals[i]) for i, _ in path):
        return None
    entries: list[Entry] = []
    size = arrivals[path[0][0]]
    start = log10(size) if size > 0 else 0.0
    for (consumer, _), (source, sent) in pairwise(path):
        before, after = arrivals[consumer], arrivals[source]
        share = after if sent is None else sent
        if min(before, after, share) <= 0:
            return Ledger(name, tuple(entries), start, cut=_entry(layout, sites, consumer, float("-inf")))
        entries.append(_entry(layout, sites, consumer, log10(share) - log10(before)))
        if share != after:
            entries.append(_junction(sites, consumer, log10(after) - log10(share)))
    return Ledger(name, tuple(entries), start)


def _climb(
    layout: Layout, arrivals: Arrivals, contributions: Contributions, leaf: int
) -> list[tuple[int, float | None]]:
    """The dominant path from the loss to the leaf: each vertex, and what the one before sent to it.

    Vertices without a number (views, whose gain is one) are passed over.
    """
    path: list[tuple[int, float | None]] = []
    here = leaf
    while True:
        consumers = layout.vertices[here].consumers
        edge = max(consumers, key=lambda e: contributions.get(e, arrivals.get(e[0], 0.0)), default=None)
        if here in arrivals:
            path.append((here, contributions.get(edge) if edge is not None else None))
        if edge is None:
            return path[::-1]
        here = edge[0]


def _entry(layout: Layout, sites: Sequence[Site | None], i: int, decades: float) -> Entry:
    site = sites[i]
    if site is not None:
        return Entry(site.id, site.name, site.op, site.kind, decades)
    op = layout.vertices[i].operation.op
    return Entry(-1, op, op, Kind.SHAPE, decades)


def _junction(sites: Sequence[Site | None], i: int, decades: float) -> Entry:
    site = sites[i]
    return Entry(site.id if site else -1, site.name if site else "junction", "junction", Kind.RESIDUAL, decades)
