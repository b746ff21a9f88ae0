"""Draw a recording by hand: for the cases of a rule, and for tests.

>>> drawn = sketch([site("fc1", "linear"), site("act", "relu", {"dead": [0.1, 0.6]})], losses=[2.0, 1.5])
>>> drawn.site_series(1, "dead")
[(0, 0.1), (1, 0.6)]
>>> drawn.sites[1].inputs
(0,)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, overload

from gradmedic.recording.ledger import Entry, Ledger
from gradmedic.recording.records import Capture, Event, Optimizer, Recording, Stream, Vital
from gradmedic.recording.site import Kind, Parameter, Site

Columns = Mapping[str, float | Sequence[float | None]]
"""Numbers by name: one for all captures, or one for each; None where a capture lacks it."""
DrawnSite = tuple[Site, tuple[str, ...] | None, Columns]
DrawnParameter = tuple[Parameter, Columns]
Curves = Sequence[float] | Mapping[int, Sequence[float]]
"""A number of each step: of stream 0, or of each stream."""

KINDS = {
    Kind.WEIGHTS: "linear conv matmul bmm",
    Kind.ACTIVATION: "relu sigmoid tanh gelu silu elu leaky_relu softplus hardtanh softmax clamp selu prelu",
    Kind.NORMALIZATION: "batch_norm layer_norm group_norm rms_norm",
    Kind.LOSS: "log_softmax nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div binary_cross_entropy "
    "binary_cross_entropy_with_logits",
    Kind.RECURRENT: "lstm gru rnn",
    Kind.ATTENTION: "sdpa",
    Kind.EMBEDDING: "embedding",
    Kind.DROPOUT: "dropout",
    Kind.POOLING: "max_pool avg_pool",
}
KIND = {op: kind for kind, ops in KINDS.items() for op in ops.split()}


class Drawn(Sequence[Recording]):
    """Recordings that are drawn when they are first looked at: a run that is watched never looks."""

    def __init__(self, draw: Callable[[], Sequence[Recording]]) -> None:
        self._draw = draw

    @cached_property
    def _recordings(self) -> Sequence[Recording]:
        return self._draw()

    @overload
    def __getitem__(self, at: int) -> Recording: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Recording]: ...
    def __getitem__(self, at: int | slice) -> Recording | Sequence[Recording]:
        return self._recordings[at]

    def __len__(self) -> int:
        return len(self._recordings)


def site(
    name: str, op: str, numbers: Columns | None = None, *, after: Sequence[str] | None = None, **facts: Any
) -> DrawnSite:
    """An operation; it is fed by the one drawn before it unless `after` names others."""
    kind = facts.pop("kind", KIND.get(op, Kind.ARITHMETIC))
    return Site(0, name, kind, op, **facts), None if after is None else tuple(after), numbers or {}


def parameter(name: str, numbers: Columns | None = None, **facts: Any) -> DrawnParameter:
    """A parameter; it has a gradient and the first optimizer holds it unless told otherwise."""
    return Parameter(0, name, **{"optimizer": 0, **facts}), {"grad": 1.0, **(numbers or {})}


def ledger(target: str, *entries: tuple[str, str, float]) -> Ledger:
    """A ledger from (name, op, decades), the loss first."""
    booked = (Entry(at, name, op, KIND.get(op, Kind.ARITHMETIC), gone) for at, (name, op, gone) in enumerate(entries))
    return Ledger(target, tuple(booked))


def sketch(
    sites: Sequence[DrawnSite] = (),
    parameters: Sequence[DrawnParameter] = (),
    *,
    losses: Curves = (),
    grad_norms: Curves = (),
    lr: float | None = None,
    steps: Sequence[int] | None = None,
    optimizers: Sequence[Optimizer] = (Optimizer(0, "SGD"),),
    ledgers: Sequence[Ledger] = (),
    profiles: Mapping[str, Sequence[float]] | None = None,
    events: Sequence[Event] = (),
    run: Mapping[str, Any] | None = None,
) -> Recording:
    """A recording with a capture per number of the longest column, at steps 0, 1, 2, ... or at `steps`.

    `ledgers` and `profiles` (by name of the site) are part of every capture.
    """
    placed, curves, norms = list(_placed(sites)), _by_stream(losses), _by_stream(grad_norms)
    streams = sorted({*curves, *norms, *(found.stream for found in placed)} or {0})
    waves = {at: tuple(profiles[found.name]) for at, found in enumerate(placed) if profiles and found.name in profiles}
    times = {at: tuple(range(len(wave))) for at, wave in waves.items()}
    captures = [
        replace(_capture(at, step, stream, sites, parameters), loss=_step(curves.get(stream, ()), step))
        for at, step in enumerate(steps or range(_length(sites, parameters)))
        for stream in streams
    ]
    return Recording(
        dict(enumerate(placed)),
        {at: replace(drawn, id=at) for at, (drawn, _) in enumerate(parameters)},
        {stream: Stream(stream) for stream in streams},
        {held.id: held for held in optimizers},
        [vital for stream in streams for vital in _vitals(stream, curves.get(stream, ()), norms.get(stream, ()), lr)],
        [replace(capture, profiles=waves, times=times, ledgers=tuple(ledgers)) for capture in captures],
        tuple(events),
        run or {},
    )


def _capture(
    at: int, step: int, stream: int, sites: Sequence[DrawnSite], parameters: Sequence[DrawnParameter]
) -> Capture:
    rows = {i: _row(at, numbers) for i, (drawn, _, numbers) in enumerate(sites) if drawn.stream == stream}
    return Capture(
        step,
        stream,
        float(step),
        sites=rows,
        parameters={i: _row(at, numbers) for i, (_, numbers) in enumerate(parameters)},
    )


def _placed(sites: Sequence[DrawnSite]) -> Iterator[Site]:
    ids = {drawn.name: at for at, (drawn, _, _) in enumerate(sites)}
    for at, (drawn, after, _) in enumerate(sites):
        chained = (at - 1,) if at and sites[at - 1][0].stream == drawn.stream else ()
        inputs = chained if after is None else tuple(ids[name] for name in after)
        yield replace(drawn, id=at, order=at, inputs=inputs)


def _length(sites: Sequence[DrawnSite], parameters: Sequence[DrawnParameter]) -> int:
    tables = (*(numbers for *_, numbers in sites), *(numbers for _, numbers in parameters))
    columns = [column for numbers in tables for column in numbers.values()]
    return max((len(column) if isinstance(column, Sequence) else 1 for column in columns), default=0)


def _row(at: int, numbers: Columns) -> dict[str, float]:
    taken = {name: column[at] if isinstance(column, Sequence) else column for name, column in numbers.items()}
    return {name: number for name, number in taken.items() if number is not None}


def _step(curve: Sequence[float], step: int) -> float | None:
    return curve[step] if step < len(curve) else None


def _by_stream(curves: Curves) -> dict[int, Sequence[float]]:
    return dict(curves) if isinstance(curves, Mapping) else ({0: curves} if curves else {})


def _vitals(stream: int, curve: Sequence[float], norms: Sequence[float], lr: float | None) -> Iterator[Vital]:
    for step in range(max(len(curve), len(norms))):
        yield Vital(step, stream, float(step), _step(curve, step), _step(norms, step), lr=lr)
