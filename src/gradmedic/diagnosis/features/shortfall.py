"""How a loss failed, and which numbers of the recording are out of the ordinary, where no rule names a cause."""

from collections.abc import Iterator, Mapping
from math import isfinite
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.layers import typical_paces
from gradmedic.diagnosis.loss_progress import progress
from gradmedic.diagnosis.training_state import GUESSES, guessing, only_recovered
from gradmedic.recording.records import MEASURED, Recording

PACES = (1e-4, 0.1)
"""Update size over weight size between which steps are ordinary: the bounds of the rules on learning rates."""

FAR = 2.0
"""Times the loss of a guess from which a loss is not that of a network that guesses."""

TENFOLD = 10.0
"""Ratio over the run, or along the depth, from which a number has changed: less is what networks that learn do."""

FULL = 0.5
"""Share of units that are dead or saturated, of clip calls that bite, from which it is more than some of them."""


def shortfall(recording: Recording, stream: int) -> Message:
    """What the loss did in a run that failed: rose, stayed at a guess, fell by little, or did not fall."""
    losses = recording.losses(stream)
    found, level = progress(losses), guessing(recording, stream)
    if found.first is None or found.last is None or not isfinite(losses[-1][1]):
        return Message("the loss is not finite any more")
    values = {"first": _number(found.first), "last": _number(found.last), "before": _number(losses[0][1])}
    if level is not None and found.last > GUESSES * level:
        text = "the loss is no better than a guess ({guess}): {first} → {last}"
        if found.last > FAR * level:
            text = "the loss is far above that of a guess ({guess}): {first} → {last}"
        return Message(text, values | {"guess": _number(level)})
    if only_recovered(losses, found):
        return Message("the loss is hardly better than before the first step ({before}): {first} → {last}", values)
    if found.last > found.first + 2 * found.noise:
        return Message("the loss rises: {first} → {last}", values)
    if found.last < found.first - found.noise:
        return Message("the loss falls by little: {first} → {last}", values)
    return Message("the loss does not fall: {first} → {last}", values)


def oddities(recording: Recording, stream: int) -> list[Message]:
    """The numbers that are out of the ordinary; an empty list says that none is."""
    return [*_steps(recording, stream), *_rates(recording, stream), *_weights(recording), *_layers(recording, stream)]


def _steps(recording: Recording, stream: int) -> Iterator[Message]:
    told = [pace for _, pace in typical_paces(recording, stream)]
    if told and not PACES[0] <= median(told) <= PACES[1]:
        yield Message("a step is {pace} of the weights' size", {"pace": _number(median(told))})


def _rates(recording: Recording, stream: int) -> Iterator[Message]:
    rates = [v.lr for v in recording.vitals if v.stream == stream and v.lr is not None]
    if rates and max(rates) >= TENFOLD * min(rates):
        values = {"first": _number(rates[0]), "top": _number(max(rates)), "last": _number(rates[-1])}
        yield Message("the learning rate begins at {first}, reaches {top} and ends at {last}", values)
    tallies = recording.tallies
    calls, bites = tallies.get("clip_calls", 0.0), tallies.get("clip_bites", 0.0)
    if calls and bites > FULL * calls:
        yield Message("{share} of the steps were clipped", {"share": f"{bites / calls:.0%}"})


def _weights(recording: Recording) -> Iterator[Message]:
    """Weights that have grown or shrunk, the matrix in the middle."""
    matrices = [p for p in recording.parameters.values() if len(p.shape) > 1]
    series = [[size for _, size in recording.parameter_series(p.id, "weight_rms")] for p in matrices]
    changes = sorted(sizes[-1] / sizes[0] for sizes in series if len(sizes) > 1 and sizes[0] > 0)
    if changes and not 1 / TENFOLD < median(changes) < TENFOLD:
        yield Message("weights end at {times} times their first size", {"times": _number(median(changes))})


def _layers(recording: Recording, stream: int) -> Iterator[Message]:
    """The gradient along the depth, and units that pass nothing on, in the last capture."""
    captures = recording.captures_of(stream)
    if not captures:
        return
    sites = [site for site in recording.in_order(stream) if site.kind in MEASURED]
    rows = [(site.name, captures[-1].sites.get(site.id, {}).get("grad_rms", 0.0)) for site in sites]
    flowing = [(name, size) for name, size in rows if size > 0 and isfinite(size)]
    if len(flowing) > 2 and max(flowing[0][1] / flowing[-1][1], flowing[-1][1] / flowing[0][1]) > TENFOLD:
        values = {"first": flowing[0][0], "last": flowing[-1][0]}
        numbers = {"size": _number(flowing[0][1]), "end": _number(flowing[-1][1])}
        yield Message("the gradient (rms) is {size} at {first} and {end} at {last}", values | numbers)
    yield from _units(recording, captures[-1].sites)


def _units(recording: Recording, sites: Mapping[int, Mapping[str, float]]) -> Iterator[Message]:
    for column in ("dead", "saturated"):
        told = [(row.get(column, 0.0), id) for id, row in sites.items() if id in recording.sites]
        share, id = max(told, default=(0.0, 0))
        if share > FULL and not recording.sites[id].tail:
            values = {"share": f"{share:.0%}", "site": recording.sites[id].name}
            dead = column == "dead"
            text = "{share} of the units of {site} are dead" if dead else "{share} of {site} is saturated"
            yield Message(text, values)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
