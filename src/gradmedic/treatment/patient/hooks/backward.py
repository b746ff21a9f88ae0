"""The moments around a backward pass."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gradmedic.base.own_gradients import is_unheard
from gradmedic.probe.graph.graph import leaves_of
from gradmedic.probe.torch_internals import in_transform
from gradmedic.treatment.patient.hooks.wrap import wrapped


@dataclass(frozen=True)
class PendingBackward:
    """A backward pass that has not been made yet.

    `returns` says that its gradients are returned (`autograd.grad`) instead of added to `.grad`,
    `higher` that they are to be differentiated again.
    """

    roots: tuple[Tensor, ...]
    returns: bool
    higher: bool
    _run: Callable[[Any], Any]
    _rest: tuple["Look", ...] = ()

    def proceed(self) -> Any:
        """Make the pass; what it gives."""
        if not self._rest:
            return self._run(self.roots)
        look, *rest = self._rest
        return look(replace(self, _rest=tuple(rest)))

    def scaled(self, factor: float) -> Any:
        """Make the pass and multiply what it adds to gradients, or returns; what it gives."""
        before = [] if self.returns else [(leaf, leaf.grad) for leaf in self.leaves()]
        for leaf, _ in before:
            leaf.grad = None
        given = self.proceed()
        if self.returns:
            return tuple(None if grad is None else grad * factor for grad in given)
        for leaf, grad in before:
            if leaf.grad is not None:
                leaf.grad.mul_(factor)
                leaf.grad = leaf.grad if grad is None else grad.add_(leaf.grad)
            else:
                leaf.grad = grad
        return given

    def leaves(self) -> list[Tensor]:
        """The tensors that the pass ends in."""
        return list(leaves_of(self.roots))


Look = Callable[[PendingBackward], Any]


class Backward:
    """Hands backward passes to those who wait for them; torch's functions are wrapped only meanwhile."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._wraps = ExitStack()
        self._depth = 0

    @contextmanager
    def around(self, look: Look) -> Iterator[None]:
        """Have `look` make every backward pass; those inside of another one are left alone."""
        if not self._looks:
            self._wraps.enter_context(wrapped(torch.autograd, "backward", self._backward))
            self._wraps.enter_context(wrapped(torch.autograd, "grad", self._grad))
        self._looks.append(look)
        try:
            yield
        finally:
            self._looks.remove(look)
            if not self._looks:
                self._wraps.close()

    def leave(self) -> None:
        """Hand nothing to anybody any more."""
        self._looks.clear()

    def _backward(self, original: Any) -> Any:
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            higher = bool(kwargs.get("create_graph") or args[2:3] == (True,))
            return self._make(tensors, False, higher, lambda roots: original(roots, *args, **kwargs))

        return backward

    def _grad(self, original: Any) -> Any:
        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            higher = bool(kwargs.get("create_graph") or args[2:3] == (True,))
            return self._make(outputs, True, higher, lambda roots: original(roots, inputs, *args, **kwargs))

        return grad

    def _make(self, roots: Any, returns: bool, higher: bool, run: Callable[[Any], Any]) -> Any:
        given = (roots,) if isinstance(roots, Tensor) else tuple(roots)
        aside = self._depth or is_unheard() or in_transform() is not None
        if aside or not all(isinstance(root, Tensor) for root in given):
            return run(roots)
        self._depth += 1
        try:
            return PendingBackward(given, returns, higher, _once(run), tuple(self._looks)).proceed()
        finally:
            self._depth -= 1


def _once(run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, made once: a graph can be gone through only once, and whoever asks again is given what came of it."""
    given: list[Any] = []

    def made(roots: Any) -> Any:
        if not given:
            given.append(run(roots))
        return given[0]

    return made
