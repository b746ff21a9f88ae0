"""The moments around a step: gradients are complete, weights have moved."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim import Optimizer
from torch.optim import optimizer as hooks

Undo = Callable[[], None]
Around = Callable[[Optimizer], Undo | None]
Act = Callable[[Optimizer], object]


class Steps:
    """Calls those who wait for the steps of any optimizer; torch holds a hook of ours only meanwhile."""

    def __init__(self) -> None:
        self._around: list[Around] = []
        self._ready: list[Act] = []
        self._moved: list[Act] = []
        self._before_handle: Any = None
        self._after_handle: Any = None
        self._open: dict[int, list[Undo]] = {}
        self._busy = False

    @contextmanager
    def around(self, act: Around) -> Iterator[None]:
        """Call `act` before each step, before any closure too, and what it returns after the step."""
        with self._waiting(self._around, act):
            yield

    @contextmanager
    def ready(self, act: Act) -> Iterator[None]:
        """Call `act` when gradients are complete and weights have not moved; inside of a closure each time it ran."""
        with self._waiting(self._ready, act):
            yield

    @contextmanager
    def moved(self, act: Act) -> Iterator[None]:
        """Call `act` when weights have moved."""
        with self._waiting(self._moved, act):
            yield

    @contextmanager
    def _waiting(self, acts: list[Any], act: Any) -> Iterator[None]:
        if self._before_handle is None:
            self._before_handle = hooks.register_optimizer_step_pre_hook(self._before)
        acts.append(act)
        try:
            yield
        finally:
            acts.remove(act)
            self.rest()

    def rest(self) -> None:
        """Take the hooks away if nobody waits; torch does not bear that while it goes through them."""
        if self._around or self._ready or self._moved or self._busy:
            return
        for handle in (self._before_handle, self._after_handle):
            if handle is not None:
                handle.remove()
        self._before_handle = self._after_handle = None
        for key in list(self._open):
            self._close(key)

    def leave(self) -> None:
        """Call nobody any more."""
        for acts in (self._around, self._ready, self._moved):
            acts.clear()

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        if self._after_handle is None:
            # Behind everybody else's: who looks at what a step has done still sees what it was done with.
            self._after_handle = hooks.register_optimizer_step_post_hook(self._after)
        self._busy = True
        try:
            self._close(id(optimizer))  # a step that raised never came to its end
            undo = [act(optimizer) for act in list(self._around)]
            self._open[id(optimizer)] = [one for one in undo if one is not None]
            closure = args[1] if len(args) > 1 else kwargs.get("closure")
            if closure is None:
                self._make_ready(optimizer)
        finally:
            self._busy = False
        return None if closure is None or not self._ready else self._with_closure(optimizer, closure, args, kwargs)

    def _make_ready(self, optimizer: Optimizer) -> None:
        for act in list(self._ready):
            act(optimizer)

    def _with_closure(self, optimizer: Optimizer, closure: Any, args: Any, kwargs: Any) -> Any:
        """A closure computes the gradients inside of the step: act when it returns."""

        def treated() -> Any:
            result = closure()
            self._make_ready(optimizer)
            return result

        if len(args) > 1:
            return (args[0], treated, *args[2:]), kwargs
        return args, {**kwargs, "closure": treated}

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._busy = True
        try:
            self._close(id(optimizer))
            for act in list(self._moved):
                act(optimizer)
        finally:
            self._busy = False

    def _close(self, key: int) -> None:
        for undo in reversed(self._open.pop(key, [])):
            undo()
