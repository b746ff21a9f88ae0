"""The first training pass of a network: the network is known, and nothing has been computed with it yet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet, ref

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakIdKeyDictionary

from gradmedic.base.errors import RemedyError
from gradmedic.base.storage import is_readable
from gradmedic.probe.torch_internals import in_transform, version_of
from gradmedic.treatment.patient.hooks.backward import Backward, PendingBackward
from gradmedic.treatment.patient.hooks.loaded_weights import Loads, is_pretrained
from gradmedic.treatment.patient.hooks.modules import ModuleHooks

Act = Callable[[nn.Module, tuple[Any, ...]], object]
Guard = Callable[[Callable[..., object]], Callable[..., Any]]


@dataclass(frozen=True)
class RedrawnWeight:
    """A weight that was given another start: what it was, and the version that it has had since."""

    tensor: Any  # weak reference
    before: Tensor
    version: int | None

    @property
    def is_as_left(self) -> bool:
        """True as long as nobody has written to it."""
        tensor = self.tensor()
        return tensor is not None and self.version is not None and version_of(tensor) == self.version

    def put_back(self) -> None:
        """Make it what it was; by `.data`, because a graph that holds it may still be run."""
        if self.is_as_left:
            self.tensor().data.copy_(self.before)


class FirstForwards:
    """Calls those who wait for the first training pass of outermost modules."""

    def __init__(self, modules: ModuleHooks, backward: Backward, loads: Loads) -> None:
        self._modules, self._backward, self._loads = modules, backward, loads

    @contextmanager
    def awaited(self, act: Act, guarded: Guard) -> Iterator[None]:
        """Call `act` with each outermost module and its arguments, before its first pass that is made for training.

        A module that the script initializes after that is given to it again, until the first backward pass.
        On leaving, weights that nobody has moved since are what they were.
        """
        watch = _Watch(act, guarded, self._loads)
        try:
            with self._modules.opening(watch.opening), self._backward.around(watch.passing):
                yield
        finally:
            for one in watch.written:
                one.put_back()


class _Watch:
    def __init__(self, act: Act, guarded: Guard, loads: Loads) -> None:
        self._act, self._loads = act, loads
        self._treat = guarded(self._treated)
        self._done: WeakSet[nn.Module] = WeakSet()
        self._used = WeakIdKeyDictionary()
        self._began = False
        self.written: list[RedrawnWeight] = []

    def passing(self, one: PendingBackward) -> Any:
        """Training has begun: what is written into a weight from now on is what was learned."""
        self._began = True
        return one.proceed()

    def opening(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """See whether a pass for training begins."""
        trains = torch.is_grad_enabled() and module.training and in_transform() is None
        if trains and (module not in self._done or self._is_changed(module)):
            self._treat(module, args)

    def _is_changed(self, module: nn.Module) -> bool:
        """True where the script has initialized a network again, and has not trained it yet."""
        if self._began:
            return False
        held = {id(p) for p in module.parameters()}
        return any(id(one.tensor()) in held and not one.is_as_left for one in self.written)

    def _treated(self, module: nn.Module, args: tuple[Any, ...]) -> bool:
        self._done.add(module)
        weights = [p for p in module.parameters() if p.requires_grad]
        if not weights or any(map(is_lazy, weights)):
            return False
        if is_pretrained(module) or any(map(self._loads.has, weights)):
            raise RemedyError("its weights were loaded: a new start would throw away what they have learned")
        if not all(map(is_readable, weights)):
            raise RemedyError("its weights are not in memory here: they are sharded or offloaded")
        if self._began and any(weight in self._used for weight in weights):
            return False  # parts of it have been trained as parts of something else
        for weight in weights:
            self._used[weight] = True
        before = [(weight, weight.detach().clone(), version_of(weight)) for weight in weights]
        self._act(module, args)
        changed = [(weight, was) for weight, was, version in before if version is None or version_of(weight) != version]
        self.written = [one for one in self.written if one.is_as_left]
        self.written += [RedrawnWeight(ref(weight), was, version_of(weight)) for weight, was in changed]
        return bool(changed)
