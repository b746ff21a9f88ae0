"""The places in torch where gradmedic sits, and how it gets up again.

Only functions that a training loop calls once a step are wrapped. Each wrapper does what the
original does, with the same arguments, whatever happens on our side of it.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.compiler import is_compiling
from torch.nn.utils import clip_grad
from torch.optim import Optimizer
from torch.optim import optimizer as hooks

from gradmedic.base.own_gradients import is_unheard
from gradmedic.probe.hooks.backward_shortcut import Counting, Lane, shortcut
from gradmedic.probe.hooks.source_lines import Lines
from gradmedic.probe.torch_internals import CLIP, CLIPPING, PACKERS, PACKING, in_transform


class Watcher(Protocol):
    """What the seat reports to. Nothing but a deliberate stop may be raised from it."""

    @property
    def lines(self) -> Lines:
        """What notes lines, and rests while gradients are worked out."""

    def begin(self, tensors: Any, inputs: Any, frame: FrameType) -> Any:
        """A backward pass is about to run; what is returned is handed to `end`."""

    def trains(self, outputs: Any, inputs: Sequence[Any], higher: bool) -> bool | None:
        """Whether gradients that `autograd.grad` is asked for are there to move these inputs."""

    def end(self, look: Any, grads: Any = None) -> None:
        """The backward pass has run, or raised."""

    def cut_off(self) -> None:
        """An exception has cut `end` off, a stop for example."""

    def before_step(self, optimizer: Optimizer) -> None:
        """Gradients are complete; weights have not moved."""

    def after_step(self, optimizer: Optimizer) -> None:
        """Weights have moved."""

    def clip(self, parameters: Sequence[Tensor], total: Tensor | None, limit: float, euclidean: bool = False) -> None:
        """The script is about to clip gradients, by a total norm or, if that is None, entry by entry."""

    def scaled(self, loss: Tensor, result: Tensor, scaler: Any) -> None:
        """A GradScaler has scaled a loss."""

    def skipped(self, optimizer: Optimizer) -> None:
        """A GradScaler was asked to step an optimizer and did not."""

    def compiled(self) -> None:
        """The script has called torch.compile."""


class Seat:
    """Wraps torch for one watcher; `rise` puts everything back."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self._hooks: dict[str, Any] = {}
        self._method: Any = Tensor.backward
        self._shortcut: Any = None
        self._lane: Lane | None = None
        self._gone = True
        self._stepped: int | None = None

    def take(self, watcher: Watcher | None = None) -> None:
        """Wrap all that has to be wrapped, or nothing."""
        self._gone = False
        self._watcher = watcher or self._watcher
        try:
            self._wrap_all()
        except Exception:
            self.rise()
            raise

    def _wrap_all(self) -> None:
        self._wrap(torch.autograd, "backward", self._backward)
        self._wrap(torch.autograd, "grad", self._grad)
        # What clip_grad_norm_ calls itself: a script may have imported that one before.
        if CLIPPING.there:
            self._wrap(clip_grad, CLIP, self._clip_norm)
        self._wrap(torch.nn.utils, "clip_grads_with_norm_", self._clip_norm)
        for module in (torch.nn.utils, clip_grad):
            self._wrap(module, "clip_grad_value_", self._clip_value)
        self._wrap(torch.amp.GradScaler, "scale", self._scale)
        self._wrap(torch.amp.GradScaler, "step", self._scaler_step)
        self._wrap(torch, "compile", self._compile)
        if not PACKING.there:
            self._wrap(saved_tensors_hooks, "__enter__", self._packing)
        self.wake()

    def wake(self) -> None:
        """Hear of every step before and after it is made; harmless where that is so already.

        Not from within a hook behind a step while steps are counted: torch walks through all hooks at that moment.
        """
        if self._shortcut is not None and Tensor.backward is self._shortcut:
            Tensor.backward = self._method  # type: ignore[method-assign]
        self._shortcut = self._lane = None
        self._drop("steps")
        if not self._gone and "before" not in self._hooks:
            self._hooks["before"] = hooks.register_optimizer_step_pre_hook(self._before_step)
        if not self._gone and "after" not in self._hooks:
            self._hooks["after"] = hooks.register_optimizer_step_post_hook(self._after_step)

    def doze(self, lane: Lane) -> bool:
        """Have ordinary passes noted in a `lane`; False where somebody else has wrapped the same functions since."""
        _, _, original, ours = self._wrapped[0]
        if torch.autograd.backward is not ours or Tensor.backward is not self._method:
            return False
        self._lane = lane
        self._shortcut = shortcut(lane, self._method, ours, original)
        Tensor.backward = self._shortcut  # type: ignore[method-assign]
        self._drop("before")
        return True

    def count(self, lane: Lane, optimizer: Optimizer) -> None:
        """Hear of no step at all, but have those of one optimizer counted; not from within a hook, as with `wake`."""
        self._hooks["steps"] = Counting(optimizer, lane.steps)
        self._drop("after")

    def rise(self) -> None:
        """Put every original back, unless somebody has wrapped it again since."""
        self._gone = True
        self.wake()
        self._drop(*self._hooks)
        for owner, name, original, ours in reversed(self._wrapped):
            if getattr(owner, name) is ours:
                setattr(owner, name, original)
        self._wrapped.clear()

    def _drop(self, *names: str) -> None:
        for name in names:
            handle = self._hooks.pop(name, None)
            if handle is not None:
                handle.remove()

    def _wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        ours = functools.wraps(original)(make(original))
        setattr(owner, name, ours)
        self._wrapped.append((owner, name, original, ours))

    def _away(self) -> bool:
        """True under vmap and the like, where no value can be read, in sums of our own, and once we have got up."""
        return self._gone or is_unheard() or in_transform() is not None

    def _backward(self, original: Any) -> Any:
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            if self._away():
                return original(tensors, *args, **kwargs)
            look = None
            try:
                look = self._watcher.begin(tensors, _given(args, kwargs, 4, "inputs"), sys._getframe(1))
                return original(tensors, *args, **kwargs)
            finally:
                try:
                    self._watcher.end(look)
                except BaseException:
                    self._watcher.cut_off()
                    raise

        return backward

    def _grad(self, original: Any) -> Any:
        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self._away():
                return original(outputs, inputs, *args, **kwargs)
            inputs = inputs if isinstance(inputs, Tensor) else tuple(inputs)  # a generator can be used once
            if not self._watcher.trains(outputs, _listed(inputs), bool(_given(args, kwargs, 2, "create_graph"))):
                return self._apart(original, outputs, inputs, *args, **kwargs)
            look = found = None
            try:
                look = self._watcher.begin(outputs, inputs, sys._getframe(1))
                found = original(outputs, inputs, *args, **kwargs)
                return found
            finally:
                try:
                    self._watcher.end(look, found)
                except BaseException:
                    self._watcher.cut_off()
                    raise

        return grad

    def _apart(self, original: Any, *args: Any, **kwargs: Any) -> Any:
        self._watcher.lines.pause()
        try:
            return original(*args, **kwargs)
        finally:
            self._watcher.lines.resume()

    def _clip_norm(self, original: Any) -> Any:
        def clip(parameters: Any, max_norm: Any, total_norm: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._away():
                parameters = parameters if isinstance(parameters, Tensor) else list(parameters)
                euclidean = float(sys._getframe(1).f_locals.get("norm_type", 2.0)) == 2.0
                self._watcher.clip(_listed(parameters), total_norm, float(max_norm), euclidean)
            return original(parameters, max_norm, total_norm, *args, **kwargs)

        return clip

    def _clip_value(self, original: Any) -> Any:
        def clip(parameters: Any, clip_value: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._away():
                parameters = parameters if isinstance(parameters, Tensor) else list(parameters)
                self._watcher.clip(_listed(parameters), None, float(clip_value))
            return original(parameters, clip_value, *args, **kwargs)

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
            self._stepped = None
            result = original(scaler, optimizer, *args, **kwargs)
            if not self._away() and self._stepped != id(optimizer):
                self._watcher.skipped(optimizer)
            self._stepped = None
            return result

        return step

    def _compile(self, original: Any) -> Any:
        def compile(*args: Any, **kwargs: Any) -> Any:
            if not self._away():
                self._watcher.compiled()
            return original(*args, **kwargs)

        return compile

    def _packing(self, original: Any) -> Any:
        def enter(packer: Any) -> Any:
            PACKERS.add(type(packer))
            return original(packer)

        return enter

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        if is_compiling() or self._gone:
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
        if is_compiling():  # the compiler is not to follow us: its step is met as one made by hand
            return
        self._stepped = id(optimizer)
        if not (self._gone or (self._lane is not None and self._lane.stepped(optimizer))):
            self._watcher.after_step(optimizer)


def _given(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, name: str) -> Any:
    """An argument of a call, by its name or its position."""
    return args[position] if len(args) > position else kwargs.get(name)


def _listed(tensors: Any) -> Sequence[Tensor]:
    return (tensors,) if isinstance(tensors, Tensor) else tensors
