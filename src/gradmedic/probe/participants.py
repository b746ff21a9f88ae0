"""Who takes part: streams, optimizers, and parameters with their ids in the recording."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradmedic.base.storage import is_taken_over
from gradmedic.probe.graph.graph import walk
from gradmedic.probe.graph.names import Names
from gradmedic.probe.hooks.backward_shortcut import place
from gradmedic.probe.hooks.sequence_intervals import user_frame
from gradmedic.probe.torch_internals import is_flat
from gradmedic.probe.updates import Canary
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Optimizer as OptimizerFacts
from gradmedic.recording.records import Stream
from gradmedic.recording.site import Parameter

TRUSTED = 64
"""Steps after which a script that has always zeroed its gradients is trusted to go on doing so."""

SPARED = 64
"""Announcements that may be spared where graphs are known."""


@dataclass
class KnownOptimizer:
    """An optimizer that has been seen to step."""

    id: int
    optimizer: Any
    first: Any
    """Its first parameter: a later optimizer of that and of the same `kind` is its successor."""
    kind: type
    steps: int = 0
    canary: Canary | None = field(default_factory=Canary)
    """Dropped once it has seen the gradients zeroed often enough."""

    def stepped(self) -> None:
        """Count a step, and let the canary have a look."""
        self.steps += 1
        if self.canary is not None:
            self.canary.after_step(self.parameters())
            if self.steps >= TRUSTED and not self.canary.sang:
                self.canary = None

    def rate(self) -> Any:
        """The learning rate of its first group, as it stands now."""
        optimizer = self.optimizer()
        return None if optimizer is None else optimizer.param_groups[0].get("lr")

    def parameters(self) -> Iterator[Tensor]:
        """All tensors that it moves."""
        for group in self.groups():
            yield from group["params"]

    def groups(self) -> list[dict[str, Any]]:
        """Its groups of tensors, as long as it lives."""
        optimizer = self.optimizer()
        return [] if optimizer is None else optimizer.param_groups


class Participants:
    """Gives everybody an id once, and tells the recorder who is new or has changed."""

    def __init__(self, recorder: Recorder, names: Names) -> None:
        self._recorder = recorder
        self._names = names
        self._streams: dict[tuple[int, int], int] = {}
        self._calls: dict[int, int] = {}
        self.optimizers: dict[int, KnownOptimizer] = {}
        self._met = 0
        self._ids: dict[int, tuple[Any, int]] = {}
        self._raw: dict[tuple[str, torch.Size], int] = {}
        self._numbered = 0
        self._known: dict[int, Parameter] = {}
        self._moved: list[tuple[int, int]] = []
        self._spared = 0

    def calls(self, streams: set[int]) -> dict[int, int]:
        """The places where the script itself calls backward, for some streams."""
        return {call: stream for call, stream in self._calls.items() if stream in streams}

    @property
    def trusted(self) -> bool:
        """True where every optimizer has been seen to find its gradients zeroed often enough."""
        return bool(self.optimizers) and all(held.canary is None for held in self.optimizers.values())

    def stream(self, frame: FrameType) -> int:
        """The stream of a backward call, told apart by the line of the caller."""
        call = place(frame)
        known = self._calls.get(call)
        if known is not None:
            return known
        user = user_frame(frame) or frame
        key = (id(user.f_code), user.f_lineno)
        known = self._streams.get(key)
        if user is frame:
            self._calls[call] = len(self._streams) if known is None else known
        if known is None:
            known = self._streams[key] = len(self._streams)
            self._recorder.stream(Stream(known, "loss", user.f_code.co_filename, user.f_lineno))
        return known

    def held(self, optimizer: Optimizer, step: int) -> KnownOptimizer:
        """The entry of an optimizer; a new one, which joins at `step`, is announced."""
        held = self.optimizers.get(id(optimizer))
        if held is None or held.optimizer() is not optimizer:
            held = self.optimizers[id(optimizer)] = self._joined(optimizer, step)
            count = sum(1 for _ in held.parameters())
            name = type(optimizer).__name__
            self._recorder.optimizer(OptimizerFacts(held.id, name, _options(optimizer), count))
            self._tell((p for p in held.parameters() if self._has_id(p) and self.id_of(p) in self._known), set(), set())
        return held

    def before_backward(self) -> None:
        """Let the canaries see what has become of the gradients that were used."""
        for held in self.optimizers.values():
            if held.canary is not None:
                held.canary.before_backward()

    def after_backward(self) -> None:
        """Let the canaries see whether gradients were added to."""
        for held in self.optimizers.values():
            if held.canary is not None:
                held.canary.after_backward()

    def clipped(self, parameters: Iterable[Tensor], writes: int) -> None:
        """Tell the canaries that clipping is about to write to gradients, which is no zeroing."""
        canaries = [held.canary for held in self.optimizers.values() if held.canary is not None]
        if canaries:
            these = {id(p) for p in parameters}
            for canary in canaries:
                canary.clipped(these, writes)

    def trains(self, outputs: Any, inputs: Iterable[Any], higher: bool) -> bool:
        """Whether `autograd.grad` is asked for these in order to move them.

        The gradient of a model's input (a penalty, an attack, a Jacobian) is there for its own sake.
        """
        leaves = [t for t in inputs if isinstance(t, Tensor) and t.is_leaf and t.requires_grad]
        if any(isinstance(leaf, nn.Parameter) for leaf in leaves):
            return True
        if higher or not leaves:
            return False
        if self.optimizers:
            return not {id(leaf) for leaf in leaves}.isdisjoint(map(id, self.moved()))
        graph = walk(t.grad_fn for t in ([outputs] if isinstance(outputs, Tensor) else outputs))
        return not any(isinstance(vertex.leaf, nn.Parameter) for _, vertex in graph.leaves())

    def moved(self) -> Iterator[Tensor]:
        """All tensors that any optimizer moves."""
        return (p for held in self.optimizers.values() for p in held.parameters())

    def _joined(self, optimizer: Optimizer, step: int) -> KnownOptimizer:
        """A newcomer takes over from one of its kind, or goes along with those that are at work."""
        first = optimizer.param_groups[0]["params"][0]
        alike = {key: held for key, held in self.optimizers.items() if held.first() is first}
        for key, held in alike.items():
            if held.kind is type(optimizer):  # made anew for every step, or for every epoch
                del self.optimizers[key]
                return replace(held, optimizer=ref(optimizer))
        self._met += 1
        steps = max([step - 1, 0, *(held.steps for held in alike.values())])
        return KnownOptimizer(self._met - 1, ref(optimizer), ref(first), type(optimizer), steps)

    def id_of(self, tensor: Tensor) -> int:
        """The id of a parameter in the recording."""
        known = self._ids.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return known[1]
        self._numbered += 1
        self._ids[id(tensor)] = (ref(tensor), self._numbered)
        return self._numbered

    def number(self, leaves: Iterable[Tensor]) -> dict[int, Tensor]:
        """The leaves by their ids; whoever has no id yet gets one, modules in order of definition."""
        leaves = list(leaves)
        if not all(map(self._has_id, leaves)):
            self._adopt(leaves)
            for tensor in self._everybody(leaves):
                self.id_of(tensor)
        return {self.id_of(leaf): leaf for leaf in leaves}

    def _adopt(self, leaves: list[Tensor]) -> None:
        """Give a new raw tensor the id of the one that bore its name before, unless both are at work."""
        at_work = {self._ids[id(t)][1] for t in leaves if self._has_id(t)}
        for tensor in leaves:
            owned = None if self._has_id(tensor) else self._names.of(tensor)
            if owned is not None and owned.module is None:
                heir = self._raw.get((owned.name, tensor.shape))
                if heir is not None and heir not in at_work:
                    self._ids[id(tensor)] = (ref(tensor), heir)
                self._raw[owned.name, tensor.shape] = number = self.id_of(tensor)
                at_work.add(number)

    def _has_id(self, tensor: Tensor) -> bool:
        known = self._ids.get(id(tensor))
        return known is not None and known[0]() is tensor

    def name_of(self, key: int) -> str:
        """The name of a tensor by its `id()`."""
        owned = self._names.parameters.get(key)
        return owned.name if owned else "tensor"

    def announce(self, leaves: Iterable[Tensor], called: Iterable[nn.Module], known: bool = False) -> None:
        """Tell the recorder of every parameter that is new, or of which something has changed.

        After a pass through a `known` graph nothing has, but for parameters that take no part: now and then they
        are looked at, too.
        """
        moved = [(held.id, sum(len(group["params"]) for group in held.groups())) for held in self.optimizers.values()]
        if known and moved == self._moved and self._spared < SPARED:
            self._spared += 1
            return
        self._moved, self._spared = moved, 0
        leaves = list(leaves)
        self._tell(self._everybody(leaves), set(map(id, leaves)), {id(module) for module in called})

    def _tell(self, tensors: Iterable[Tensor], took_part: set[int], owners: set[int]) -> None:
        held = {id(p): h.id for h in self.optimizers.values() for p in h.parameters()}
        for tensor in tensors:
            facts = self._facts(tensor, took_part, owners, held.get(id(tensor)))
            if self._known.get(facts.id) != facts:
                self._known[facts.id] = facts
                self._recorder.parameter(facts)

    def _everybody(self, leaves: Iterable[Tensor]) -> Iterator[Tensor]:
        seen: dict[int, Tensor] = {}
        for root in self._names.roots:  # first, so that ids follow the order of definition
            module = root()
            if module is not None:
                seen.update((id(p), p) for p in module.parameters())
        for held in self.optimizers.values():
            seen.update((id(p), p) for p in held.parameters())
        seen.update((id(leaf), leaf) for leaf in leaves)
        yield from seen.values()

    def _facts(self, tensor: Tensor, took_part: set[int], owners: set[int], optimizer: int | None) -> Parameter:
        owned = self._names.of(tensor)
        module = owned.module() if owned is not None and owned.module is not None else None
        number = self.id_of(tensor)
        before = self._known.get(number)
        called = id(tensor) in took_part or id(module) in owners
        facts = Parameter(
            id=number,
            name=owned.name if owned else f"tensor{list(tensor.shape)}",
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            requires_grad=tensor.requires_grad,
            optimizer=optimizer,
            called=called or (before is not None and before.called),
            registered=owned.registered if owned else True,
            declared=isinstance(tensor, nn.Parameter),
            sharded=is_taken_over(tensor) or is_flat(tensor),
            module_type=type(module).__name__ if module is not None else "",
            aliases=owned.aliases if owned else (),
        )
        if before is not None and facts.optimizer is None:
            facts = replace(facts, optimizer=before.optimizer)
        return facts


def _options(optimizer: Optimizer) -> dict[str, float]:
    """The numeric options of an optimizer, as it was made."""
    found: dict[str, float] = {}
    for name, value in optimizer.defaults.items():
        if isinstance(value, bool | int | float):
            found[name] = float(value)
        elif isinstance(value, tuple | list) and all(isinstance(v, int | float) for v in value):
            found.update({f"{name}[{k}]": float(v) for k, v in enumerate(value)})
    return found
