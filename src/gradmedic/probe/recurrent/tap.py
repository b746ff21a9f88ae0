"""Tap nn.RNN, nn.LSTM and nn.GRU for the gradient at each time step.

While the tap is installed it keeps, of every call that autograd records, a few rows of the batch:
what went in, and by tensor hooks the gradient that comes back. `readings` then replays those rows
(see `gradmedic.probe.recurrent.replay`), outside of autograd and with no random number drawn. Calls with
one time step each, or a few, in which each takes up the state that the one before it left, are
one chain: they are replayed side by side and read as one sequence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils.hooks import RemovableHandle

from gradmedic.base.interruption import let_through
from gradmedic.probe.recurrent.calls import RecurrentCall, call_of, descends, length, passage, tensors, weights_of
from gradmedic.probe.recurrent.replay import replay
from gradmedic.probe.torch_internals import (
    GRAPH_TASK,
    SEQUENCE_NUMBERS,
    current_task,
    forget_hook,
    in_transform,
    version_of,
)
from gradmedic.probe.unobserved import unobserved

MOST_STEPS = 4000
"""Steps times layers times directions that one replay may take: some tenths of a second."""
MOST_CALLS = 2000
MOST_REPLAYS = 32
MOST_NOTES = 20
PATIENCE = 8
"""Backward passes after which a call that none of them has reached is forgotten."""
POINTS = 64


@dataclass(frozen=True)
class RecurrentReading:
    """The gradient through time in a recurrent module, at its worst layer and direction.

    `profile` is the rms of d loss / d h_t, with the steps that it was taken at in `times`, in the
    order in which the recurrence ran: backward in time where `direction` is 1. Numbers of gates
    are those of the layer that is most saturated, `forget_mean` is of all. `sequence` is the
    autograd sequence number of the (first) output.
    """

    module: nn.Module
    sequence: int
    profile: tuple[float, ...]
    times: tuple[int, ...]
    layer: int = 0
    direction: int = 0
    saturated: float | None = None
    gates: dict[str, float] = field(default_factory=dict)
    forget_mean: float | None = None
    notes: tuple[str, ...] = ()


class RecurrentTap:
    """Watches all recurrent modules; `notes` says what could not be read, and why."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._chains: list[list[RecurrentCall]] = []
        self._hook: RemovableHandle | None = None

    def install(self) -> None:
        """Watch from now on; harmless if it does already."""
        if self._hook is None and GRAPH_TASK.there and SEQUENCE_NUMBERS.there:
            self._hook = hooks.register_module_forward_hook(self._after_forward, with_kwargs=True)

    def close(self) -> None:
        """Stop watching, and forget calls that no backward pass has reached."""
        if self._hook is not None:
            self._hook.remove()
            forget_hook(self._hook.id)  # which torch does not
            self._hook = None
        for chain in self._chains:
            _release(chain)
        self._chains.clear()

    def readings(self) -> list[RecurrentReading]:
        """Read all calls that a backward pass has reached, once; call it when the pass has ended."""
        reached = self._take_reached()
        if len(reached) > MOST_REPLAYS:
            self._note(f"only the first {MOST_REPLAYS} of {len(reached)} uses of recurrent modules were read")
        readings = []
        for chain in reached[:MOST_REPLAYS]:
            try:
                readings.append(_read(chain))
            except Exception as error:
                let_through(error)
                self._note(f"time steps of {type(chain[0].module).__name__} were not read: {error}")
        return readings

    def _take_reached(self) -> list[list[RecurrentCall]]:
        """Let go of the chains that a backward pass has reached, and of those that have waited for too many."""
        reached, waiting = [], []
        for chain in self._chains:
            chain[0].waited += 1
            arrived = any(call.grads for call in chain)
            if arrived:
                reached.append(chain)
            elif chain[0].waited < PATIENCE:
                waiting.append(chain)
                continue
            _release(chain)
        self._chains = waiting
        return reached

    def _after_forward(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        # `isinstance` would ask lazy objects for their `__class__`.
        if not issubclass(type(module), nn.RNNBase):
            return
        try:
            with unobserved():
                if _recorded():
                    self._watch(module, args, kwargs, output)  # type: ignore[arg-type]
        except Exception as error:
            let_through(error)
            self._note(f"a call of {type(module).__name__} was not watched: {error}")

    def _watch(self, module: nn.RNNBase, args: Any, kwargs: Any, output: Any) -> None:
        x = args[0] if args else kwargs["input"]
        out, *states = tensors(*output)
        if not out.requires_grad or out.grad_fn is None or not self._affordable(module, x):
            return
        given = args[1] if len(args) > 1 else kwargs.get("hx")
        entering = [] if given is None else tensors(given)
        call = call_of(module, x, entering, out, states[0])
        for key, tensor in zip(("out", "h", "c"), (out, *states), strict=False):
            if tensor.requires_grad:
                handle = tensor.register_hook(partial(self._arrive, call, key))  # type: ignore[no-untyped-call]
                call.handles.append(handle)
        chain = self._continued(call, entering)
        chain.append(call)

    def _affordable(self, module: nn.RNNBase, x: Any) -> bool:
        steps = length(x, module.batch_first)
        each = module.num_layers * (1 + module.bidirectional)
        if steps * each > MOST_STEPS:
            self._note(f"{steps} steps of {type(module).__name__} are too many to replay: no gradient per step")
        elif sum(map(len, self._chains)) >= MOST_CALLS:
            self._note(f"calls of {type(module).__name__} beyond the first {MOST_CALLS} were not watched")
        else:
            return True
        return False

    def _continued(self, call: RecurrentCall, entering: list[Tensor]) -> list[RecurrentCall]:
        """The chain of calls that this one takes up, or a new one."""
        for chain in reversed([] if call.module.bidirectional else self._chains[-4:]):
            last = chain[-1]
            alike = last.module is call.module and last.x.shape == call.x.shape and call.rows.alive is None
            if alike and entering and descends(entering[0].grad_fn, (last.sequence, last.state_sequence)):
                return chain
        self._chains.append([])
        return self._chains[-1]

    def _arrive(self, call: RecurrentCall, key: str, grad: Tensor) -> None:
        """Keep a gradient of the backward pass that runs now, and none of an earlier one."""
        try:
            task = current_task()
            if call.task != task:
                call.task, call.grads = task, {}
            with unobserved():
                call.grads[key] = call.rows.steps(grad) if key == "out" else call.rows.states(grad)
        except Exception as error:
            let_through(error)
            self._note(f"a gradient of {type(call.module).__name__} was not read: {error}")

    def _note(self, text: str) -> None:
        if text not in self.notes and len(self.notes) < MOST_NOTES:
            self.notes.append(text)


def _recorded() -> bool:
    """Whether autograd records the call, and it is no repetition for a checkpoint in a backward pass."""
    return (
        torch.is_grad_enabled()
        and current_task() == -1
        and in_transform() is None
        and not torch.compiler.is_compiling()
    )


def _release(chain: Sequence[RecurrentCall]) -> None:
    for handle in (handle for call in chain for handle in call.handles):
        handle.remove()


def _read(chain: Sequence[RecurrentCall]) -> RecurrentReading:
    first = chain[0]
    with torch.no_grad(), torch.autocast(first.x.device.type, enabled=False):
        layers = replay(first.module.mode, weights_of(first), passage(chain))
    worst = max(layers, key=lambda layer: abs(layer.decades))
    tight = max(layers, key=lambda layer: layer.share)
    forgets = [layer.forget_mean for layer in layers if layer.forget_mean is not None]
    times = list(range(len(worst.profile)))[:: -1 if worst.direction else 1]
    kept = _thin(len(times))
    return RecurrentReading(
        first.module,
        first.sequence,
        tuple(worst.profile[i] for i in kept),
        tuple(times[i] for i in kept),
        worst.layer,
        worst.direction,
        tight.share if tight.saturated else None,
        tight.saturated,
        sum(forgets) / len(forgets) if forgets else None,
        tuple(_remarks(chain)),
    )


def _remarks(chain: Sequence[RecurrentCall]) -> Iterator[str]:
    module = chain[0].module
    if module.dropout and module.training and module.num_layers > 1:
        yield "approximate: dropout between layers was left out"
    if any(version_of(w) != version for call in chain for w, version in zip(call.weights, call.versions, strict=True)):
        yield "approximate: the weights had changed since"


def _thin(count: int) -> list[int]:
    """At most `POINTS` positions, evenly spread, the first and the last among them."""
    if count <= POINTS:
        return list(range(count))
    return [round(i * (count - 1) / (POINTS - 1)) for i in range(POINTS)]
