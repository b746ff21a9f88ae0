"""The lens: sees each call of a torch function, wherever it stands, and may change it.

It is a mode of torch's, so that it sees `F.relu` under any name, `x.tanh()`, operators and the
functions inside of modules alike. It costs some microseconds per call, and is there only while
somebody looks through it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gradmedic.base.errors import RemedyError
from gradmedic.probe.hooks.sequence_intervals import user_frame
from gradmedic.probe.torch_internals import ENGINE, FUNCTION_STACK, function_modes
from gradmedic.treatment.operation_names import OperationName
from gradmedic.treatment.patient.hooks.compile_off import eagerly
from gradmedic.treatment.patient.hooks.custom_functions import custom_calls, definition
from gradmedic.treatment.patient.hooks.entered_function import entered
from gradmedic.treatment.patient.hooks.modules import ModuleHooks
from gradmedic.treatment.patient.hooks.op_names import is_in_place, op_of
from gradmedic.treatment.patient.hooks.wrap import wrapped

ANY = "*"
"""The operation of who wants to see all of them."""


@dataclass(frozen=True)
class FunctionCall:
    """A call that has not been made yet."""

    op: str
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    module: str = ""
    _rest: tuple["Look", ...] = field(default=(), repr=False)

    @property
    def operand(self) -> Any:
        """The tensor that it is applied to."""
        if self.args:
            return self.args[0]
        return next((self.kwargs[key] for key in ("input", "self", "x") if key in self.kwargs), None)

    @property
    def in_place(self) -> bool:
        """True where it writes into its operand."""
        return is_in_place(self.func, self.kwargs)

    @property
    def line(self) -> str:
        """The user's `file.py:31` that makes this call."""
        frame = user_frame(sys._getframe(1))
        at = definition(self.func) or ((frame.f_code.co_filename, frame.f_lineno) if frame is not None else None)
        return f"{PurePath(at[0]).name}:{at[1]}" if at is not None else ""

    def proceed(self) -> Any:
        """Make the call, with what others have to say about it; its result."""
        if not self._rest:
            return self.func(*self.args, **self.kwargs)
        look, *rest = self._rest
        return look(replace(self, _rest=tuple(rest)))

    def on(self, operand: Tensor) -> Any:
        """Make the call on another operand; its result."""
        if self.args:
            return replace(self, args=(operand, *self.args[1:])).proceed()
        key = next(key for key in ("input", "self", "x") if key in self.kwargs)
        return replace(self, kwargs={**self.kwargs, key: operand}).proceed()

    def become(self, result: Tensor) -> Tensor:
        """What a call returns that has become something else; in place where the script counts on that."""
        operand = self.operand
        if self.in_place and isinstance(operand, Tensor):
            return operand.copy_(result)
        return result


Look = Callable[[FunctionCall], Any]


class Lens(TorchFunctionMode):
    """Hands calls to those who look for them."""

    stays_below = True
    """Told to the probe, whose own mode may be entered above this one."""

    def __init__(self, modules: ModuleHooks) -> None:
        super().__init__()
        self._modules = modules
        self._looks: dict[str, list[tuple[OperationName | None, Look]]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._counted: set[str] = set()
        self._passed = WeakSet[nn.Module]()
        self._on = self._entered = False
        self._wraps = ExitStack()

    @contextmanager
    def around(self, spot: OperationName | None, op: str, look: Look) -> Iterator[None]:
        """Have `look` make all calls of an operation, at one spot or everywhere; it returns the result."""
        if not FUNCTION_STACK.there:
            raise RemedyError(FUNCTION_STACK.lost.text)
        entry = (spot, look)
        self._looks.setdefault(op, []).append(entry)
        self._start()
        try:
            yield
        finally:
            self._looks[op].remove(entry)
            if not self._looks[op]:
                del self._looks[op]
            self._stop()

    def _start(self) -> None:
        self._recount()
        if not self._on:
            self._on = True
            self._modules.start(self._again)
            self._wraps.enter_context(wrapped(torch.autograd, ENGINE, self._with_lens))
            self._wraps.enter_context(eagerly())
            self._wraps.enter_context(custom_calls(self._custom))
            if not self._entered:
                self._entered = True
                self.__enter__()  # type: ignore[no-untyped-call]

    def _stop(self) -> None:
        self._recount()
        if self._on and not self._looks:
            self._on = False
            self._wraps.close()
            self._modules.stop(self._again)
            self.rest()

    def rest(self) -> None:
        """Leave the stack if nobody looks; where that cannot be yet, all calls are passed on.

        It cannot be while a call is being looked at, and where somebody has entered another mode above.
        """
        if self._entered and not self._on and on_top(self):
            self._entered = False
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def leave(self) -> None:
        """Hand nothing to anybody any more; all calls are passed on."""
        self._looks.clear()

    def _with_lens(self, engine: Any) -> Any:
        """torch takes all modes off for a backward pass; checkpoints run the forward pass again in it."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if self in stack():
                return engine(*args, **kwargs)
            with self:
                return engine(*args, **kwargs)

        return run

    def _recount(self) -> None:
        self._counted = {op for op, found in self._looks.items() if any(s and s.nth is not None for s, _ in found)}

    def _again(self, module: nn.Module | None = None) -> None:
        """A pass begins: the next call is the first one. A script without a module around all others begins
        one when it comes to the same module again.
        """
        if module is not None and module not in self._passed:
            self._passed.add(module)
            return
        self._counts.clear()
        self._passed = WeakSet([module] if module is not None else [])

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        looks = self._looks
        func = entered(func, sys._getframe(1))
        if looks:
            op = op_of(func)
            if op == "backward":
                self._again()
            elif op in looks or ANY in looks:
                return self._look(op, func, args, kwargs or {})
        return func(*args, **(kwargs or {}))

    def _custom(self, op: str, func: Any, args: Any, kwargs: Any) -> Any:
        asked = (op in self._looks or ANY in self._looks) and self in stack()
        return self._look(op, func, args, kwargs) if asked else func(*args, **kwargs)

    def _look(self, op: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        call = FunctionCall(op, func, tuple(args), kwargs, self._modules.path)
        nth = self._count(call) if op in self._counted else None
        asked = (*self._looks.get(op, ()), *self._looks.get(ANY, ()))
        found = tuple(dict.fromkeys(look for spot, look in asked if spot is None or self._is_at(spot, call, nth)))
        return replace(call, _rest=found).proceed() if found else func(*args, **kwargs)

    def _count(self, call: FunctionCall) -> dict[str, int]:
        """Which call it is of those in its module, or outside of modules of those on its line, as recordings count."""
        key = (call.module or call.line, call.op)
        self._counts[key] = self._counts.get(key, -1) + 1
        return {key[0]: self._counts[key]}

    def _is_at(self, spot: OperationName, call: FunctionCall, nth: dict[str, int] | None) -> bool:
        place = call.line if spot.is_line else call.module
        return spot.is_at(place) and (spot.nth is None or nth is None or spot.nth == nth.get(place))


def stack() -> list[Any]:
    """The modes that are entered, the outermost first."""
    return function_modes()


def on_top(mode: object) -> bool:
    """True where nobody has entered a mode above this one."""
    return stack()[-1:] == [mode]
