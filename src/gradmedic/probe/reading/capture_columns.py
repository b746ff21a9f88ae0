"""Turn the raw numbers of one backward pass into a capture's columns."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite, log10, sqrt
from typing import Any

from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.reading.ledger_booking import book
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.site import Site

Numbers = Mapping[Any, float]

POINTS = 64
"""Time steps that a profile keeps."""


_SHARES = ("saturated", "score_scale", "silent", "dead", "running", "untouched", "target_min", "target_max")


class Sheet:
    """The numbers of one pass, by vertex; `scale` is the GradScaler's factor, taken out here."""

    def __init__(self, layout: Layout, sites: Sequence[Site | None], numbers: Numbers, scale: float = 1.0) -> None:
        self.layout = layout
        self.sites = sites
        self._scale = scale
        self.numbers = numbers
        squares: dict[int, float] = defaultdict(float)
        self.contributions: dict[tuple[int, int], float] = {}
        for key, value in numbers.items():
            if len(key) == 3 and key[1] == "arrival":
                squares[key[0]] += (value / scale) ** 2 if isfinite(value) else inf
            elif len(key) == 3:
                self.contributions[key[0], key[2]] = value / scale
        self.arrivals = {i: sqrt(square) for i, square in squares.items()}

    def sites_columns(self) -> dict[int, dict[str, float]]:
        """The columns of every site that was read, repeats taken together."""
        members: dict[int, list[int]] = defaultdict(list)
        for i, site in enumerate(self.sites):
            if site is not None and i in self.arrivals:
                members[site.id].append(i)
        return {
            site: self._columns(vertices) if len(vertices) > 1 else self._columns_of_one(vertices[0])
            for site, vertices in members.items()
        }

    def _columns_of_one(self, i: int) -> dict[str, float]:
        """The same as `_columns` of a single vertex, as nearly all sites have, in a third of the time."""
        get, size = self.numbers.get, self.arrivals[i]
        numel = get((i, "numel"), 0.0)
        if size - size != 0:
            columns = {"grad_bad": 1.0}
        else:
            columns = {"grad_norm": size, "grad_rms": size / sqrt(numel) if numel else 0.0}
            nonzero = get((i, "grad_nonzero"))
            if nonzero is not None and numel:
                columns["grad_zero"] = 1.0 - nonzero / numel
        for what in ("value", "input"):
            numel = get((i, f"{what}_numel"), 0.0)
            if numel:
                columns.update(self._range(i, what, numel))
        for name in _SHARES:
            told = get((i, name))
            if told is not None:
                columns[name] = told
        for name in ("loss", "guess"):
            told = get((i, name))
            if told is not None and isfinite(told):
                columns[name] = told / self._scale
        gain = self._gain(i)
        if gain is not None:
            columns["gain"] = gain
        return columns

    def _columns(self, vertices: list[int]) -> dict[str, float]:
        columns = self._gradient(vertices)
        for what in ("value", "input"):
            columns.update(self._values(vertices, what))
        for name in _SHARES[:-2]:
            told = [self.numbers[i, name] for i in vertices if (i, name) in self.numbers]
            if told:  # a unit that is dead in one branch of shared weights is alive in another
                columns[name] = min(told) if name == "dead" else sum(told) / len(told)
        for name, pick in (("target_min", min), ("target_max", max)):
            told = [self.numbers[i, name] for i in vertices if (i, name) in self.numbers]
            if told:
                columns[name] = pick(told)
        for name in ("loss", "guess"):
            told = [self.numbers[i, name] / self._scale for i in vertices if (i, name) in self.numbers]
            if told and all(map(isfinite, told)):
                columns[name] = sum(told)
        gains = [gain for i in vertices if (gain := self._gain(i)) is not None]
        if gains:
            columns["gain"] = sum(gains) / len(gains)
        return columns

    def _gradient(self, vertices: list[int]) -> dict[str, float]:
        sizes = [self.arrivals[i] for i in vertices]
        numel = sum(self.numbers.get((i, "numel"), 0.0) for i in vertices)
        if not all(map(isfinite, sizes)):
            return {"grad_bad": 1.0 / len(sizes) * sum(not isfinite(size) for size in sizes)}
        total = sqrt(sum(size * size for size in sizes))
        columns = {"grad_norm": total, "grad_rms": total / sqrt(numel) if numel else 0.0}
        nonzero = [self.numbers[i, "grad_nonzero"] for i in vertices if (i, "grad_nonzero") in self.numbers]
        if nonzero and numel:
            columns["grad_zero"] = 1.0 - sum(nonzero) / numel
        return columns

    def _values(self, vertices: list[int], what: str) -> dict[str, float]:
        told = [i for i in vertices if (i, f"{what}_numel") in self.numbers]
        numel = sum(self.numbers[i, f"{what}_numel"] for i in told)
        if not numel:
            return {}
        sizes = [self.numbers[i, f"{what}_norm"] for i in told]
        if not all(map(isfinite, sizes)):
            return {f"{what}_bad": sum(not isfinite(size) for size in sizes) / len(sizes)}
        count = {"input_count": numel / len(told)} if what == "input" else {}
        return {
            **count,
            f"{what}_rms": sqrt(sum(size * size for size in sizes) / numel),
            f"{what}_mean": sum(self.numbers[i, f"{what}_sum"] for i in told) / numel,
            f"{what}_min": min(self.numbers[i, f"{what}_min"] for i in told),
            f"{what}_max": max(self.numbers[i, f"{what}_max"] for i in told),
            f"{what}_zero": 1.0 - sum(self.numbers[i, f"{what}_nonzero"] for i in told) / numel,
        }

    def _range(self, i: int, what: str, numel: float) -> dict[str, float]:
        """The same as `_values` of a single vertex."""
        numbers = self.numbers
        size = numbers[i, f"{what}_norm"]
        if size - size != 0:
            return {f"{what}_bad": 1.0}
        return {
            **({"input_count": numel} if what == "input" else {}),
            f"{what}_rms": size / sqrt(numel),
            f"{what}_mean": numbers[i, f"{what}_sum"] / numel,
            f"{what}_min": numbers[i, f"{what}_min"],
            f"{what}_max": numbers[i, f"{what}_max"],
            f"{what}_zero": 1.0 - numbers[i, f"{what}_nonzero"] / numel,
        }

    def _gain(self, i: int) -> float | None:
        """Decades from the output's gradient to the input's, where one signal alone passes."""
        signals = [j for j in self.layout.signals[i] if j in self.arrivals]
        if len(signals) != 1 or len(self.layout.vertices[signals[0]].consumers) != 1:
            return None
        before, after = self.arrivals[i], self.arrivals[signals[0]]
        return log10(after / before) if 0 < before < inf and 0 < after < inf else None

    def profiles(self) -> tuple[dict[int, list[float]], dict[int, list[int]]]:
        """The gradient at each use of a recurrent weight, and which uses these are, by site."""
        profiles: dict[int, list[float]] = {}
        times: dict[int, list[int]] = {}
        for users in self.layout.recurrences.values():
            site = self.sites[users[0]]
            known = [i for i in users if i in self.arrivals and isfinite(self.arrivals[i])]
            if site is None or site.id in profiles or len(known) < len(users):
                continue
            chosen = thinned(len(users))
            profiles[site.id] = [self._rms(users[t]) for t in chosen]
            times[site.id] = chosen
        return profiles, times

    def _rms(self, i: int) -> float:
        return self.arrivals[i] / sqrt(max(1.0, self.numbers.get((i, "numel"), 1.0)))

    def ledgers(self, name_of: Callable[[int], str]) -> tuple[Ledger, ...]:
        """The ledger of the deepest weight, then of those with the smallest and the largest gradient.

        `name_of` tells the name of a tensor by its `id()`.
        """
        names = {leaf: name_of(id(self.layout.vertices[leaf].leaf)) for leaf in self._targets()}
        books = [
            book(self.layout, self.sites, self.arrivals, self.contributions, leaf, name) for leaf, name in names.items()
        ]
        return tuple(ledger for ledger in books if ledger is not None)

    def _targets(self) -> list[int]:
        layers = [i for i in self.layout.execution if self.layout.applies_weights(i)]
        leaves = [own[0] for i in layers if (own := self.layout.own_parameters(i))]
        known = [leaf for leaf in leaves if self.arrivals.get(leaf, 0.0) > 0 and isfinite(self.arrivals[leaf])]

        def rms(leaf: int) -> float:
            return self.arrivals[leaf] / sqrt(max(1, self.layout.vertices[leaf].leaf.numel()))

        return [*leaves[:1], *([min(known, key=rms), max(known, key=rms)] if known else [])]


def thinned(count: int) -> list[int]:
    """At most `POINTS` positions out of `count`, the first and the last among them."""
    if count <= POINTS:
        return list(range(count))
    return sorted({round(k * (count - 1) / (POINTS - 1)) for k in range(POINTS)})
