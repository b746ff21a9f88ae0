"""Maps of a run: gradient, update ratio and dead units by layer and step; a recurrent layer by time step and step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from statistics import median

from gradmedic.recording.records import MEASURED, Capture, Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.render.layer_ranges import ranged
from gradmedic.render.page.bilingual import text
from gradmedic.render.page.heat_map import Cell, HeatMap
from gradmedic.render.page.thinning import evenly

ROWS, COLUMNS = 40, 240
"""Cells of a map at most."""

Numbers = Callable[[Capture, Site], Cell]


def maps(recording: Recording, stream: int) -> Iterator[HeatMap]:
    """The maps of one stream that have more than one column and anything to show."""
    captures = recording.captures_of(stream)
    captures = [captures[at] for at in evenly(len(captures), COLUMNS)]
    if len(captures) < 2:
        return
    steps = [capture.step for capture in captures]
    found = [
        HeatMap(
            "gradients",
            text(lambda _: _("gradient (rms) by layer and step")),
            _rows(recording, captures, stream, MEASURED, _gradient),
            steps,
        ),
        HeatMap(
            "updates",
            text(lambda _: _("update ratio by layer and step")),
            _rows(recording, captures, stream, MEASURED, _update(recording)),
            steps,
        ),
        HeatMap(
            "units",
            text(lambda _: _("share of dead units by layer and step")),
            _rows(recording, captures, stream, (Kind.ACTIVATION,), _dead),
            steps,
            log=False,
        ),
        *_through_time(recording, captures),
    ]
    yield from (it for it in found if any(cell is not None for _, row in it.rows for cell in row))


def _gradient(capture: Capture, site: Site) -> Cell:
    numbers = capture.sites.get(site.id, {})
    return float("inf") if numbers.get("grad_bad") else numbers.get("grad_rms")


def _dead(capture: Capture, site: Site) -> Cell:
    numbers = capture.sites.get(site.id, {})
    return numbers.get("dead", numbers.get("silent"))


def _update(recording: Recording) -> Numbers:
    held = {name: p.id for p in recording.parameters.values() for name in (p.name, *p.aliases)}

    def ratio(capture: Capture, site: Site) -> Cell:
        weights = capture.parameters.get(held.get(site.parameter or "", -1), {})
        size = weights.get("weight_rms")
        return weights["update_rms"] / size if size and "update_rms" in weights else None

    return ratio


def _rows(
    recording: Recording, captures: Sequence[Capture], stream: int, kinds: Sequence[Kind], number: Numbers
) -> list[tuple[str, list[Cell]]]:
    """A row for each layer, neighbors put together where there are too many."""
    sites = [site for site in recording.in_order(stream) if site.kind in kinds]
    rows = [(site.name, [number(capture, site) for capture in captures]) for site in sites]
    rows = [row for row in rows if any(cell is not None for cell in row[1])]
    size = max(1, -(-len(rows) // ROWS))
    runs = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [
        (ranged(run[0][0], run[-1][0]), [_middle(cells) for cells in zip(*(r for _, r in run), strict=True)])
        for run in runs
    ]


def _middle(cells: Sequence[Cell]) -> Cell:
    """What stands for several cells: the first that is not finite, else the median."""
    known = [cell for cell in cells if cell is not None]
    lost = next((cell for cell in known if not isfinite(cell)), None)
    return lost if lost is not None else median(known) if known else None


def _through_time(recording: Recording, captures: Sequence[Capture]) -> Iterator[HeatMap]:
    """The gradient at each time step of the recurrent layer that has most of them."""
    profiles = [(capture, id) for capture in captures for id in capture.profiles]
    if not profiles:
        return
    longest = max((id for _, id in profiles), key=lambda id: max(len(c.profiles[id]) for c, i in profiles if i == id))
    chosen = [capture for capture in captures if longest in capture.profiles]
    if len(chosen) < 2 or longest not in recording.sites:
        return
    name = recording.sites[longest].name
    by_time = [_by_time(capture, longest) for capture in chosen]
    times = sorted({time for row in by_time for time in row})
    times = [times[at] for at in evenly(len(times), ROWS)]
    rows = [(f"t={time}", [row.get(time) for row in by_time]) for time in times]
    title = text(lambda _: _("gradient (rms) of {name} by time step and step").format(name=name))
    yield HeatMap("times", title, rows, [capture.step for capture in chosen])


def _by_time(capture: Capture, site: int) -> Mapping[int, float]:
    sizes = capture.profiles[site]
    times = capture.times.get(site, range(len(sizes)))
    return dict(zip(times, sizes, strict=False))
