"""What was seen in a run: its operations and parameters, and their numbers step by step.

## Numbers of a site in a capture (`Capture.sites`); absent where they could not be taken
grad_rms     root mean square, per element, of the gradient that arrives at the operation's output
grad_norm    L2 norm of the same gradient, over the whole batch
grad_zero    share of its entries that are exactly zero
grad_bad     share of its entries that are not finite
value_rms, value_mean, value_min, value_max   of the forward output (of the finite entries)
value_zero   share of zeros in the forward output
value_bad    share of entries of the forward output that are not finite
input_rms, input_mean, input_min, input_max, input_bad   of the tensor it is applied to (weights, log, sqrt, ...)
input_count  entries of that tensor
saturated    share of entries where the activation's slope is under 5 % of its largest slope;
             for a softmax: share of rows whose largest probability is over 0.99
gate_NAME    share of entries of an LSTM's or a GRU's gate NAME that are saturated
forget_mean  mean of the gate that keeps the state of a recurrent layer
silent       share of units that were zero for the whole batch, here
dead         share of units that have been zero in every capture so far
running      1 for a batch normalization by running statistics (eval mode), 0 by those of the batch
untouched    1 if these statistics are still those of a new layer: mean 0, variance 1
target_min, target_max   of the target of a loss, or of the difference that a loss by hand begins with
loss         what the operation adds to the loss that backward began with, in the unit of that loss
guess        what that would be on this batch for the best constant outputs: variance, or entropy of the targets
gain         decades from the gradient at the output to that at the input (log10 of norms)

## Numbers of a parameter in a capture (`Capture.parameters`)
grad         1 if it has a gradient after the backward pass, else 0
grad_rms, grad_norm, grad_zero, grad_bad      of the gradient that the optimizer is given, before clipping
clipped_rms  of the same gradient as the optimizer finds it
weight_rms, weight_max                        before the step
update_rms   of the difference that the step really made
twins        share of units (rows) that equal another unit, bit by bit
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gradmedic.recording.ledger import Ledger
from gradmedic.recording.site import Kind, Parameter, Site

SCHEMA = 1

MEASURED = (Kind.WEIGHTS, Kind.RECURRENT, Kind.EMBEDDING)
"""Kinds of the operations that stand for a layer where the gradient is shown by depth."""


class Vital(NamedTuple):
    """What is taken of every backward pass. `loss` is unscaled; None is "not taken".

    `grad_norm` is the global L2 norm before clipping, `max_norm` what it was clipped to.
    `scale` is the factor of a GradScaler, `skipped` says that it skipped the step.
    """

    step: int
    stream: int
    time: float
    loss: float | None = None
    grad_norm: float | None = None
    max_norm: float | None = None
    lr: float | None = None
    scale: float | None = None
    skipped: bool = False


@dataclass(frozen=True)
class Stream:
    """A place in the script where backward is called: a GAN has two."""

    id: int
    name: str = "loss"
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Optimizer:
    """An optimizer that took steps. `options` are its numeric defaults (momentum, weight_decay, ...)."""

    id: int
    name: str
    options: Mapping[str, float] = field(default_factory=dict)
    parameters: int = 0


@dataclass(frozen=True)
class Event:
    """Something that happened once: see `EVENTS` for the kinds."""

    kind: str
    step: int
    data: Mapping[str, Any] = field(default_factory=dict)


EVENTS = {
    "non-finite": "the first operation that made inf or NaN: phase, site, name, op, operand_min, operand_max, "
    "operand_zero, dtype, file, line, parameter, reason",
    "stale-gradients": "an optimizer stepped on gradients that nobody had zeroed: optimizer, file, line",
    "no-graph": "backward was called on a loss that no weight leads to: stream, passes, enabled",
    "compiled": "torch.compile hides the operations; only parameters are measured",
    "tallies": "counters so far; the last one counts: steps, backwards, captures, stale_steps, skipped_steps, "
    "clip_calls, clip_bites, clip_idle (no gradient was there that a step had not used), clip_scaled (the gradient "
    "carried a scaler's factor), nonfinite_losses, spent, seconds",
    "unforeseen": "theory could not say what to expect of a stream: stream, error",
    "failure": "something of gradmedic's own failed and was left out: part, error",
    "remedy": "a remedy that the run was under: remedy, dose",
    "refused": "a remedy that could not be given, or not to the end: remedy, reason",
    "note": "a remark for the report: text",
}


@dataclass(frozen=True)
class Capture:
    """One backward pass, read whole. Keys of `sites` and `parameters` are their ids.

    `profiles` maps a site that is run once per time step to the rms of the gradient at each step
    in the order of time, thinned to 64 points at most; `times` tells which steps these are.
    """

    step: int
    stream: int = 0
    time: float = 0.0
    loss: float | None = None
    sites: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    parameters: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    profiles: Mapping[int, Sequence[float]] = field(default_factory=dict)
    times: Mapping[int, Sequence[int]] = field(default_factory=dict)
    ledgers: tuple[Ledger, ...] = ()


@dataclass(frozen=True)
class Recording:
    """All that was seen, in the order in which it was seen. `run` holds the facts of run.json."""

    sites: Mapping[int, Site] = field(default_factory=dict)
    parameters: Mapping[int, Parameter] = field(default_factory=dict)
    streams: Mapping[int, Stream] = field(default_factory=dict)
    optimizers: Mapping[int, Optimizer] = field(default_factory=dict)
    vitals: Sequence[Vital] = ()
    captures: Sequence[Capture] = ()
    events: Sequence[Event] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    def events_of(self, kind: str) -> list[Event]:
        """The events of one kind, in order."""
        return [event for event in self.events if event.kind == kind]

    @property
    def tallies(self) -> Mapping[str, float]:
        """The counters as they last stood."""
        told = self.events_of("tallies")
        return told[-1].data if told else {}

    def captures_of(self, stream: int) -> list[Capture]:
        """The captures of one stream, in order."""
        return [capture for capture in self.captures if capture.stream == stream]

    def losses(self, stream: int) -> list[tuple[int, float]]:
        """(step, loss) of one stream, non-finite losses included."""
        return [(v.step, v.loss) for v in self.vitals if v.stream == stream and v.loss is not None]

    def site_series(self, site: int, column: str) -> list[tuple[int, float]]:
        """(step, value) of one number of a site, over the captures that have it."""
        return [(c.step, c.sites[site][column]) for c in self.captures if column in c.sites.get(site, {})]

    def parameter_series(self, parameter: int, column: str) -> list[tuple[int, float]]:
        """(step, value) of one number of a parameter, over the captures that have it."""
        return [
            (c.step, c.parameters[parameter][column])
            for c in self.captures
            if column in c.parameters.get(parameter, {})
        ]

    def in_order(self, stream: int) -> Iterator[Site]:
        """The sites of one stream in the order of the forward pass."""
        yield from sorted((s for s in self.sites.values() if s.stream == stream), key=lambda site: site.order)

    def arriving(self, capture: Capture) -> list[tuple[str, float]]:
        """(name, rms of the gradient that arrives) of each layer with weights, in the order of the forward pass.

        Where the operations are hidden, as `torch.compile` does, the weights' own gradients stand in.
        """
        sites = [site for site in self.in_order(capture.stream) if site.kind in MEASURED]
        seen = [(s.name, capture.sites[s.id]["grad_rms"]) for s in sites if "grad_rms" in capture.sites.get(s.id, {})]
        if len(seen) > 1:
            return seen
        weights = [(id, row["grad_rms"]) for id, row in capture.parameters.items() if "grad_rms" in row]
        return [(self.parameters[id].name, rms) for id, rms in weights if len(self.parameters[id].shape) > 1]
