"""The places in torch where gradmedic sits, and how it gets up again.

Only functions that a training loop calls once a step are wrapped. Each wrapper does what the
original does, with the same arguments, whatever happens on our side of it.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.compiler import is_compiling
from torch.nn.utils import clip_grad
from torch.optim import Optimizer
from torch.optim import optimizer as hooks

from gradmedic.base.own_gradients import is_unheard
from gradmedic.probe.hooks.backward_shortcut import Counting, Lane, shortcut
from gradmedic.probe.hooks.listener import Watcher
from gradmedic.probe.hooks.unseen_frames import UNTRACED, uncounted
from gradmedic.probe.torch_internals import CLIP, CLIPPING, PACKERS, PACKING, in_transform


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

    def take(self) -> None:
        """Wrap all that has to be wrapped, or nothing."""
        self._gone = False
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
        ours = functools.wraps(original)(uncounted(make(original)))
        setattr(owner, name, ours)
        self._wrapped.append((owner, name, original, ours))

    def _away(self) -> bool:
        """True under vmap and the like, where no value can be read, in sums of our own, and once we have got up."""
        return self._gone or is_unheard() or in_transform() is not None

    def _backward(self, original: Any) -> Any:
        def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
            with UNTRACED:
                if self._away():
                    return original(tensors, *args, **kwargs)
                look, tensors = None, _often(tensors)
                if not _are_tensors(tensors):  # but edges of the graph: such a pass is not read
                    with self._watcher.lines.at_rest():
                        return original(tensors, *args, **kwargs)
                try:
                    look = self._watcher.begin(tensors, _given(args, kwargs, 4, "inputs"), sys._getframe(1))
                    return original(tensors, *args, **kwargs)
                finally:
                    self._end(look)

        return backward

    def _grad(self, original: Any) -> Any:
        def grad(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            with UNTRACED:
                if self._away():
                    return original(outputs, inputs, *args, **kwargs)
                outputs, inputs = _often(outputs), _often(inputs)
                higher = bool(_given(args, kwargs, 2, "create_graph"))
                if not _are_tensors(outputs) or not self._watcher.trains(outputs, _listed(inputs), higher):
                    with self._watcher.lines.at_rest():
                        return original(outputs, inputs, *args, **kwargs)
                look = found = None
                try:
                    look = self._watcher.begin(outputs, inputs, sys._getframe(1))
                    found = original(outputs, inputs, *args, **kwargs)
                    return found
                finally:
                    self._end(look, found)

        return grad

    def _end(self, look: Any, found: Any = None) -> None:
        try:
            self._watcher.end(look, found)
        except BaseException:
            self._watcher.cut_off()
            raise

    def _clip_norm(self, original: Any) -> Any:
        def clip(parameters: Any, max_norm: Any, total_norm: Any, *args: Any, **kwargs: Any) -> Any:
            with UNTRACED:
                if not self._away() and _is_number(max_norm):
                    parameters = _often(parameters)
                    euclidean = float(sys._getframe(1).f_locals.get("norm_type", 2.0)) == 2.0
                    self._watcher.clip(_listed(parameters), total_norm, float(max_norm), euclidean)
                return original(parameters, max_norm, total_norm, *args, **kwargs)

        return clip

    def _clip_value(self, original: Any) -> Any:
        def clip(parameters: Any, clip_value: Any, *args: Any, **kwargs: Any) -> Any:
            with UNTRACED:
                if not self._away() and _is_number(clip_value):
                    parameters = _often(parameters)
                    self._watcher.clip(_listed(parameters), None, float(clip_value))
                return original(parameters, clip_value, *args, **kwargs)

        return clip

    def _scale(self, original: Any) -> Any:
        def scale(scaler: Any, outputs: Any) -> Any:
            with UNTRACED:
                result = original(scaler, outputs)
            if isinstance(result, Tensor) and scaler.is_enabled() and not self._away():
                self._watcher.scaled(outputs, result, scaler)
            return result

        return scale

    def _scaler_step(self, original: Any) -> Any:
        def step(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            self._stepped = None
            with UNTRACED:
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
            with UNTRACED:
                return original(*args, **kwargs)

        return compile

    def _packing(self, original: Any) -> Any:
        def enter(packer: Any) -> Any:
            PACKERS.add(type(packer))
            with UNTRACED:
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
            with UNTRACED:
                result = closure()
            if not told:  # LBFGS calls it many times, and moves the weights in between
                told = True
                self._watcher.before_step(optimizer)
            return result

        uncounted(watched)
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


def _often(tensors: Any) -> Any:
    """What can be gone through more than once: torch itself goes through it once."""
    return tuple(tensors) if isinstance(tensors, Iterator) else tensors


def _listed(tensors: Any) -> Sequence[Tensor]:
    return (tensors,) if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable) else tensors  # type: ignore[return-value]


def _are_tensors(tensors: Any) -> bool:
    return all(isinstance(tensor, Tensor) for tensor in _listed(tensors))


def _is_number(limit: Any) -> bool:
    return isinstance(limit, Real) or (isinstance(limit, Tensor) and limit.numel() == 1)
