"""Hypothesis strategies: recordings as a probe could have made them, with everything that is odd."""

from typing import Any

from hypothesis import strategies as st

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import SCHEMA, Capture, Event, Optimizer, Recording, Stream, Vital
from gradmedic.recording.site import Kind, Parameter, Site

SITE_COLUMNS = ["grad_rms", "grad_norm", "grad_bad", "value_min", "value_max", "saturated", "dead", "gain"]
PARAMETER_COLUMNS = ["grad", "grad_rms", "grad_norm", "clipped_rms", "weight_rms", "update_rms", "twins"]
SIGNED_COLUMNS = ["value_min", "value_max", "gain"]

numbers = st.floats()
"""Any number: not finite, negative zero, denormal."""
sizes = st.floats(min_value=0) | st.just(float("nan"))
"""Numbers that cannot be below zero: norms, shares, counts."""
names = st.text(max_size=8)
ids = st.integers(0, 5)
steps = st.integers(0, 10**7)
shapes = st.lists(st.integers(0, 99), max_size=3).map(tuple)
maybe_lines = st.none() | st.integers(1, 9999)
maybe_names = st.none() | names
plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | names,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
"""Values as JSON knows them, and numbers that it does not know."""

sites = st.builds(
    Site,
    id=ids,
    name=names,
    kind=st.sampled_from(Kind),
    op=names,
    parameter=maybe_names,
    file=maybe_names,
    line=maybe_lines,
    inputs=st.lists(ids, max_size=3).map(tuple),
    shape=shapes,
    fan_in=maybe_lines,
    tail=st.booleans(),
)
parameters = st.builds(
    Parameter,
    id=ids,
    name=names,
    shape=shapes,
    optimizer=st.none() | ids,
    aliases=st.lists(names, max_size=2).map(tuple),
)
streams = st.builds(Stream, id=ids, name=names, file=maybe_names, line=maybe_lines)
optimizers = st.builds(
    Optimizer, id=ids, name=names, options=st.dictionaries(names, numbers, max_size=3), parameters=ids
)
vitals = st.builds(
    Vital,
    step=steps,
    stream=ids,
    time=numbers,
    loss=st.none() | numbers,
    grad_norm=st.none() | sizes,
    max_norm=st.none() | numbers,
    lr=st.none() | numbers,
    scale=st.none() | numbers,
    skipped=st.booleans(),
)
entries = st.builds(Entry, site=ids, name=names, op=names, kind=st.sampled_from(Kind), decades=numbers)
ledgers = st.builds(
    Ledger,
    target=names,
    entries=st.lists(entries, max_size=4).map(tuple),
    start=numbers,
    cut=st.none() | entries,
)
# Tallies replace each other, so a recording that was made has one at the end, if any.
events = st.builds(
    Event,
    kind=st.sampled_from(["compiled", "of a plug-in"]),
    step=steps,
    data=st.dictionaries(names, plain, max_size=3),
)


@st.composite
def captures(draw: st.DrawFn) -> Capture:
    """One backward pass; a profile may lack its times."""
    profiles = draw(st.dictionaries(ids, st.lists(sizes, min_size=1, max_size=4), max_size=2))
    timed = [site for site in profiles if draw(st.booleans())]
    return Capture(
        step=draw(steps),
        stream=draw(ids),
        time=draw(numbers),
        loss=draw(st.none() | numbers),
        sites=draw(st.dictionaries(ids, _columns(SITE_COLUMNS), max_size=4)),
        parameters=draw(st.dictionaries(ids, _columns(PARAMETER_COLUMNS), max_size=4)),
        profiles=profiles,
        times={site: list(range(len(profiles[site]))) for site in timed},
        ledgers=tuple(draw(st.lists(ledgers, max_size=2))),
    )


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """A whole recording, short enough to be kept in full."""
    tallies = st.builds(Event, st.just("tallies"), steps, st.dictionaries(names, numbers, max_size=2))
    return Recording(
        sites={site.id: site for site in draw(st.lists(sites, max_size=4))},
        parameters={parameter.id: parameter for parameter in draw(st.lists(parameters, max_size=4))},
        streams={stream.id: stream for stream in draw(st.lists(streams, max_size=2))},
        optimizers={optimizer.id: optimizer for optimizer in draw(st.lists(optimizers, max_size=2))},
        vitals=draw(st.lists(vitals, max_size=6)),
        captures=draw(st.lists(captures(), max_size=4)),
        events=draw(st.lists(events, max_size=3)) + draw(st.lists(tallies, max_size=1)),
        run={"schema": SCHEMA, **draw(st.dictionaries(names.filter(lambda n: n != "ranks"), plain, max_size=3))},
    )


def replay(recording: Recording, recorder: Recorder) -> None:
    """Tell a recorder everything again."""
    for site in recording.sites.values():
        recorder.site(site)
    for parameter in recording.parameters.values():
        recorder.parameter(parameter)
    for stream in recording.streams.values():
        recorder.stream(stream)
    for optimizer in recording.optimizers.values():
        recorder.optimizer(optimizer)
    for vital in recording.vitals:
        recorder.vital(vital)
    for capture in recording.captures:
        recorder.capture(capture)
    for event in recording.events:
        recorder.event(event)


def _columns(columns: list[str]) -> st.SearchStrategy[dict[str, float]]:
    drawn = {column: numbers if column in SIGNED_COLUMNS else sizes for column in columns}
    return st.fixed_dictionaries({}, optional=drawn)
