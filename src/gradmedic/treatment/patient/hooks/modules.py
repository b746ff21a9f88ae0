"""Which module is at work, and what goes in and out of it."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from torch import nn
from torch.nn.modules import module as hooks

from gradmedic.probe.graph.names import Names
from gradmedic.probe.torch_internals import without_functions

Enter = Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...] | None]
"""Is given a module and what goes into it; may return what is to go in instead."""
Open = Callable[[nn.Module, tuple[Any, ...]], object]
"""Is given an outermost module and what goes into it."""
Leave = Callable[[nn.Module, tuple[Any, ...], Any], Any]
"""Is given a module, what went in and what comes out (None where it has raised); may return what is to come
out instead."""


class ModuleHooks:
    """Follows the calls of modules; torch holds hooks of ours only while somebody asks."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._stack: list[nn.Module] = []
        self._thread = threading.get_ident()
        self._followers: list[Callable[[nn.Module], None]] = []
        self._entering: list[Enter] = []
        self._opening: list[Open] = []
        self._leaving: list[Leave] = []
        self._aside = False
        self._handles: list[Any] = []
        self._met: WeakSet[nn.Module] = WeakSet()

    @property
    def path(self) -> str:
        """The path of the module that is at work; empty outside of all, and in the outermost one."""
        return self.path_of(self._stack[-1]) if self._stack else ""

    @property
    def depth(self) -> int:
        """How many modules are at work, one inside of the other."""
        return len(self._stack)

    def path_of(self, module: nn.Module) -> str:
        """The path of a module as recordings have it."""
        path = self.names.modules.get(id(module))
        return self._learned(module) if path is None else path

    def _learned(self, module: nn.Module) -> str:
        """The path of a module that has not been met before; empty where it has none."""
        if module not in self._met:
            self._met.add(module)
            with without_functions():  # nobody has to look at how we look around
                self.names.learn(module.parameters(), sys._getframe(1))
        return self.names.modules.get(id(module), "")

    def start(self, follower: Callable[[nn.Module], None]) -> None:
        """Follow the calls; `follower` is told of each outermost module that is called."""
        self._followers.append(follower)
        self._sit()

    def stop(self, follower: Callable[[nn.Module], None]) -> None:
        """Tell `follower` no more."""
        self._followers.remove(follower)
        self._rest()

    @contextmanager
    def entering(self, act: Enter) -> Iterator[None]:
        """Call `act` before each call of a module."""
        self._entering.append(act)
        self._sit()
        try:
            yield
        finally:
            self._entering.remove(act)
            self._rest()

    @contextmanager
    def opening(self, act: Open) -> Iterator[None]:
        """Call `act` with outermost modules, when all others have said what goes in. It may call them itself."""
        self._opening.append(act)
        self._sit()
        try:
            yield
        finally:
            self._opening.remove(act)
            self._rest()

    @contextmanager
    def leaving(self, act: Leave) -> Iterator[None]:
        """Call `act` after each call of a module."""
        self._leaving.append(act)
        self._sit()
        try:
            yield
        finally:
            self._leaving.remove(act)
            self._rest()

    def leave(self) -> None:
        """Follow nothing any more."""
        for held in (self._followers, self._entering, self._opening, self._leaving):
            held.clear()
        self._rest()

    def _sit(self) -> None:
        if not self._handles:
            self._handles = [
                hooks.register_module_forward_pre_hook(self._enter),  # type: ignore[arg-type]
                hooks.register_module_forward_hook(self._leave, always_call=True),
            ]

    def _rest(self) -> None:
        if not (self._followers or self._entering or self._opening or self._leaving):
            for handle in self._handles:
                handle.remove()
            self._handles.clear()
            self._stack.clear()

    def _enter(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if threading.get_ident() != self._thread:
            return None
        outermost = not self._stack
        if outermost:
            self._learned(module)
            self._follow(module)
        changed = args
        if not (outermost and self._aside):  # what goes in then has gone through here before
            for act in list(self._entering):
                answer = act(module, changed)
                changed = changed if answer is None else answer
            if outermost and self._opening:
                self._open(module, changed)
        self._stack.append(module)
        return None if changed is args else changed

    def _follow(self, module: nn.Module) -> None:
        for follower in self._followers:
            follower(module)

    def _open(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._aside = True
        try:
            for act in list(self._opening):
                act(module, args)
        finally:
            self._aside = False
            self._stack.clear()
            self._follow(module)  # the pass begins again

    def _leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if threading.get_ident() != self._thread:
            return None
        while self._stack and self._stack.pop() is not module:
            pass
        changed = output
        for act in list(self._leaving):
            answer = act(module, args, changed)
            changed = changed if answer is None else answer
        return None if changed is output else changed
