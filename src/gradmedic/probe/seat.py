"""The places in torch where gradmedic sits, and how it gets up again.

Only functions that a training loop calls once a step are wrapped. Each wrapper does what the
original does, with the same arguments, whatever happens on our side of it.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grad
from torch.optim import Optimizer
from torch.optim import optimizer as hooks

in_transform: Callable[[], object | None] = torch._C._functorch.peek_interpreter_stack


class Watcher(Protocol):
    """What the seat reports to. Nothing but a deliberate stop may be raised from it."""

    def begin(self, tensors: Any, inputs: Any, frame: FrameType) -> Any:
        """A backward pass is about to run; what is returned is handed to `end`."""

    def end(self, look: Any, grads: Any = None) -> None:
        """The backward pass has run, or raised."""

    def before_step(self, optimizer: Optimizer) -> None:
        """Gradients are complete; weights have not moved."""

    def after_step(self, optimizer: Optimizer) -> None:
        """Weights have moved."""

    def clipped(self, total: Any, limit: float, by_norm: bool) -> None:
        """The script has clipped gradients."""

    def scaled(self, loss: Tensor, result: Tensor, scaler: Any) -> None:
        """A GradScaler has scaled a loss."""

    def maybe_skipped(self, optimizer: Optimizer) -> None:
        """A GradScaler was asked to step an optimizer and did not."""

    def compiled(self) -> None:
        """The script has called torch.compile."""


class Seat:
    """Wraps torch for one watcher; `rise` puts everything back."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._pid = os.getpid()
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self._handles: list[Any] = []
        self._busy = False

    def take(self) -> None:
        """Wrap what has to be wrapped."""
        self._wrap(torch.autograd, "backward", self._backward)
        self._wrap(torch.autograd, "grad", self._grad)
        for module in (torch.nn.utils, clip_grad):
            self._wrap(module, "clip_grad_norm_", functools.partial(self._clip, by_norm=True))
            self._wrap(module, "clip_grad_value_", functools.partial(self._clip, by_norm=False))
        self._wrap(torch.amp.GradScaler, "scale", self._scale)
        self._wrap(torch.amp.GradScaler, "step", self._scaler_step)
        self._wrap(torch, "compile", self._compile)
        self._handles = [
            hooks.register_optimizer_step_pre_hook(self._before_step),
            hooks.register_optimizer_step_post_hook(self._after_step),
        ]

    def rise(self) -> None:
        """Put every original back, unless somebody has wrapped it again since."""
        for handle in self._handles:
            handle.remove()
        for owner, name, original, ours in reversed(self._wrapped):
            if getattr(owner, name) is ours:
                setattr(owner, name, original)
        self._handles.clear()
        self._wrapped.clear()
        self._pid = -1

    def _wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        ours = functools.wraps(original)(make(original))
        setattr(owner, name, ours)
        self._wrapped.append((owner, name, original, ours))

    def _away(self) -> bool:
        """True in a forked child, under vmap and the like, and inside of our own work."""
        return self._busy or os.getpid() != self._pid or in_transform() is not None

    def _backward(self, original: Any) -> Any:
        tensor_backward = Tensor.backward.__code__

        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if self._away():
                return original(tensors, *args, **kwargs)
            frame = sys._getframe(1)
            if frame.f_code is tensor_backward and frame.f_back is not None:
                frame = frame.f_back
            look = self._watcher.begin(tensors, kwargs.get("inputs"), frame)
            try:
                return original(tensors, *args, **kwargs)
            finally:
                self._watcher.end(look)

        return backward

    def _grad(self, original: Any) -> Any:
        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self._away():
                return original(outputs, inputs, *args, **kwargs)
            inputs = inputs if isinstance(inputs, Tensor) else tuple(inputs)  # a generator can be used once
            # A gradient for its own sake (a penalty, a Jacobian) is not for training.
            if not any(isinstance(t, Tensor) and t.is_leaf and t.requires_grad for t in _each(inputs)):
                return original(outputs, inputs, *args, **kwargs)
            look = self._watcher.begin(outputs, inputs, sys._getframe(1))
            found = None
            try:
                found = original(outputs, inputs, *args, **kwargs)
                return found
            finally:
                self._watcher.end(look, found)

        return grad

    def _clip(self, original: Any, by_norm: bool) -> Any:
        def clip(parameters: Any, limit: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(parameters, limit, *args, **kwargs)
            if not self._away():
                self._watcher.clipped(result, float(limit), by_norm)
            return result

        return clip

    def _scale(self, original: Any) -> Any:
        def scale(scaler: Any, outputs: Any) -> Any:
            result = original(scaler, outputs)
            if isinstance(result, Tensor) and scaler.is_enabled() and not self._away():
                self._watcher.scaled(outputs, result, scaler)
            return result

        return scale

    def _scaler_step(self, original: Any) -> Any:
        def step(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(scaler, optimizer, *args, **kwargs)
            if not self._away():
                self._watcher.maybe_skipped(optimizer)
            return result

        return step

    def _compile(self, original: Any) -> Any:
        def compile(*args: Any, **kwargs: Any) -> Any:
            if not self._away():
                self._watcher.compiled()
            return original(*args, **kwargs)

        return compile

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        if self._away():
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._watcher.before_step(optimizer)
            return None
        return self._with_closure(optimizer, closure, args, kwargs)

    def _with_closure(self, optimizer: Optimizer, closure: Any, args: Any, kwargs: Any) -> Any:
        """A closure computes the gradients inside of the step: read them when it returns."""
        told = False

        def watched() -> Any:
            nonlocal told
            result = closure()
            if not told:  # LBFGS calls it many times, and moves the weights in between
                told = True
                self._watcher.before_step(optimizer)
            return result

        if len(args) > 1:
            return (args[0], watched, *args[2:]), kwargs
        return args, {**kwargs, "closure": watched}

    def _after_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self._away():
            self._watcher.after_step(optimizer)


def _each(tensors: Any) -> Iterator[Any]:
    return iter((tensors,) if isinstance(tensors, Tensor) else tensors)
