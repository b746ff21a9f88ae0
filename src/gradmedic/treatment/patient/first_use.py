"""The first use of a weight: nothing has been computed with it yet.

Weights can be given a start then, whatever they are: a module's, those of a layer in a plain
list, or raw tensors; and the call that uses one tells its fan-in. The script's random state is
left alone, so that the order of its data stays the same.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any
from weakref import WeakSet, ref

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy

from gradmedic.base.errors import RemedyError
from gradmedic.base.storage import is_readable
from gradmedic.probe.graph.names import Names
from gradmedic.probe.torch_internals import in_transform, version_of
from gradmedic.treatment.patient.first_forward import RedrawnWeight
from gradmedic.treatment.patient.hooks.backward import Backward, PendingBackward
from gradmedic.treatment.patient.hooks.function_calls import ANY, FunctionCall, Lens
from gradmedic.treatment.patient.hooks.loaded_weights import Loads, is_pretrained
from gradmedic.treatment.patient.hooks.steps import Steps
from gradmedic.treatment.patient.hooks.tensor_names import fits, labels_of, owner_of
from gradmedic.treatment.patient.weight_roles import fan_in, fan_out, role

QUIET = 3
"""Steps without a first use after which nobody looks any longer, until a module gets a new parameter."""


@dataclass(frozen=True)
class FirstUse:
    """A weight before its first use; `labels` are the names that it may go by, `call` will use it."""

    tensor: Tensor
    labels: frozenset[str]
    owner: nn.Module | None
    call: FunctionCall = field(repr=False)

    @property
    def role(self) -> str:
        """What it is to the call: matrix, recurrent, bias, table, scale, shift, or other."""
        return role(self.tensor, self.call)

    @property
    def fan_in(self) -> int:
        """How many of its entries are added up to one output."""
        return fan_in(self.tensor, self.call)

    @property
    def fan_out(self) -> int:
        """How many outputs an input is part of."""
        return fan_out(self.tensor, self.call)

    def is_one_of(self, names: Sequence[str]) -> bool:
        """True if one of these names, in which `*` stands for anything, is its own."""
        return fits(names, self.labels)


Start = Callable[[FirstUse], bool]
"""Gives a weight its start; False if that is none of its business."""
Guard = Callable[[Callable[..., bool]], Callable[..., Any]]
"""Makes an act safe for the script that runs it."""


class WeightStarts:
    """Gives weights their start; those that nobody has moved since are put back in the end."""

    def __init__(self, lens: Lens, steps: Steps, backward: Backward, names: Names, loads: Loads) -> None:
        self._lens, self._steps, self._backward, self._names, self._loads = lens, steps, backward, names, loads

    @contextmanager
    def awaited(self, act: Start, wants: Sequence[str], guarded: Guard) -> Iterator[None]:
        """Call `act` with each weight that goes by one of the names `wants` (with every one, if there are none)."""
        watch = FirstUseWatch(act, tuple(wants), self._lens, self._names, self._loads, guarded)
        hook = register_module_parameter_registration_hook(watch.wake)
        try:
            with self._backward.around(watch.passed), self._steps.moved(watch.moved):
                watch.wake()
                yield
        finally:
            hook.remove()
            watch.close()


class FirstUseWatch:
    """Looks for the first uses of some weights."""

    def __init__(
        self, act: Start, wants: Sequence[str], lens: Lens, names: Names, loads: Loads, guarded: Guard
    ) -> None:
        self._act, self._wants, self._lens, self._names, self._loads = act, wants, lens, names, loads
        self._meet_guarded = guarded(self._meet)
        self._awake = ExitStack()
        self._is_awake = self._began = False
        self._checked: WeakSet[nn.Module] = WeakSet()
        self._quiet = 0
        self._met: dict[int, Any] = {}
        self._started: dict[int, RedrawnWeight] = {}
        self._taken: set[str] = set()

    def wake(self, *_: object) -> None:
        """Look from now on; new parameters may be used for the first time."""
        self._quiet = 0
        if not self._is_awake:
            self._is_awake = True
            self._awake.enter_context(self._lens.around(None, ANY, self._look))

    def passed(self, one: PendingBackward) -> Any:
        """Training has begun: what is written into a weight from now on is what was learned."""
        self._began = True
        return one.proceed()

    def moved(self, _: object) -> None:
        """A step was made: look no longer if nothing new has come up for some of them."""
        self._quiet += 1
        if self._quiet >= QUIET and self._is_awake:
            self._is_awake = False
            self._awake.close()

    def close(self) -> None:
        """Put back what nobody has moved."""
        self._awake.close()
        for one in self._started.values():
            one.put_back()

    def _look(self, call: FunctionCall) -> Any:
        if torch.is_grad_enabled() and in_transform() is None:
            for tensor in _leaves(call):
                if self._is_new(tensor) and role(tensor, call) != "other":  # else it is only looked at, or written
                    self._meet_guarded(tensor, call, sys._getframe(1))
        return call.proceed()

    def _is_new(self, tensor: Tensor) -> bool:
        met = self._met.get(id(tensor))
        if met is None or met() is not tensor:
            return True
        started = self._started.get(id(tensor))
        return not self._began and started is not None and not started.is_as_left

    def _meet(self, tensor: Tensor, call: FunctionCall, frame: FrameType) -> bool:
        self._quiet = 0
        if isinstance(tensor, nn.Parameter):
            self._names.learn([tensor], frame)
        self._met[id(tensor)] = ref(tensor)
        labels = labels_of(tensor, self._names, frame)
        # A tensor that bears the name of another one may be that one after a step that was made by hand.
        if (self._wants and not fits(self._wants, labels)) or (self._began and self._taken & labels):
            return False
        weight = FirstUse(tensor, labels, owner_of(tensor, self._names), call)
        self._refuse_what_was_loaded(tensor)
        if not is_readable(tensor):
            raise RemedyError("its weights are not in memory here: they are sharded or offloaded")
        before = tensor.detach().clone()
        with torch.no_grad():
            acted = self._act(weight)
        if acted:
            self._started[id(tensor)] = RedrawnWeight(ref(tensor), before, version_of(tensor))
            self._taken |= labels
        return acted

    def _refuse_what_was_loaded(self, tensor: Tensor) -> None:
        """Look at all weights of a network before the first one is touched: it is not to be treated by halves."""
        everybody, loaded = [tensor], False
        for root in (root() for root in self._names.roots):
            if root is not None and root not in self._checked and any(p is tensor for p in root.parameters()):
                self._checked.add(root)
                everybody += [p for p in root.parameters() if not self._wants or fits(self._wants, self._names_of(p))]
                loaded |= not self._wants and is_pretrained(root)
        if loaded or any(map(self._loads.has, everybody)):
            raise RemedyError("its weights were loaded: a new start would throw away what they have learned")

    def _names_of(self, parameter: Tensor) -> tuple[str, ...]:
        owned = self._names.of(parameter)
        return (owned.name, *owned.aliases) if owned is not None else ()


def _leaves(call: FunctionCall) -> list[Tensor]:
    """The weights among the arguments of a call, biases first; fused recurrent layers take theirs in a list."""
    values = (*call.args, *call.kwargs.values())
    found = [one for value in values for one in (value if isinstance(value, list | tuple) else (value,))]
    leaves = [one for one in found if isinstance(one, Tensor) and one.requires_grad and one.is_leaf]
    return sorted((leaf for leaf in leaves if not is_lazy(leaf)), key=Tensor.dim)
