"""Calls of modules look as if they had no hooks, while they have hooks of ours.

Torch calls a module that has hooks from another line, and by a function more, `inner`. A warning
that names its caller's line would name another one, and tracebacks would differ. So the code that
calls modules is exchanged for a copy: where it calls `inner` it claims to be at the line where it
calls modules without hooks, and warnings do not count the frame of `inner`. A hook of ours takes
that frame out of the traceback of an exception that leaves a module. A module with hooks of the
script's own keeps it, as under plain python.
"""

import sys
from collections.abc import Iterable
from types import CodeType, FunctionType, TracebackType
from typing import Any

from torch import nn
from torch.nn.modules import module as hooks
from torch.utils.hooks import RemovableHandle

from gradmedic.base import PACKAGE
from gradmedic.probe.failures import fenced
from gradmedic.probe.hooks.sequence_intervals import Failed
from gradmedic.probe.hooks.unseen_frames import marked
from gradmedic.probe.torch_internals import MODULE_CALLS

_CALL: Any = MODULE_CALLS.get("call", None)
_CODE: CodeType | None = getattr(_CALL, "__code__", None)
_INNER = next((c for c in _CODE.co_consts if isinstance(c, CodeType)), None) if _CODE is not None else None
_TABLES = tuple(name for name in _CODE.co_names if name.endswith("_hooks")) if _CODE is not None else ()
"""Where hooks are looked for: attributes of the module, and globals of torch's."""

Position = tuple[int | None, int | None, int | None, int | None]
"""First line, last line, first column, last column."""


class ModuleFrames:
    """Exchanges the code that calls modules from `start` to `stop`."""

    def __init__(self, failed: Failed) -> None:
        self.failed = failed
        self._handle: RemovableHandle | None = None
        self._ours: CodeType | None = None

    @fenced("modules")
    def start(self) -> None:
        """Begin; harmless where that was done already."""
        if self._handle is not None or _CODE is None or _CALL.__code__ is not _CODE:
            return
        self._ours = self._ours or _like_without_hooks(_CODE)
        if self._ours is not None:
            self._handle = hooks.register_module_forward_hook(self._after_call, always_call=True)
            _CALL.__code__ = self._ours

    def stop(self) -> None:
        """Leave torch as it was."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
            if _CALL.__code__ is self._ours:
                _CALL.__code__ = _CODE

    @fenced("modules")
    def _after_call(self, module: nn.Module, _args: object, _output: object) -> None:
        """If an exception leaves a module, have it leave the module as it would without hooks of ours."""
        error = sys.exc_info()[1]
        top = error.__traceback__ if error is not None else None
        if error is None or top is None or top.tb_frame.f_code is not self._ours or not _is_caller(top):
            return
        within = top.tb_next
        if within is not None and within.tb_frame.f_code.co_name == "inner":
            error.__traceback__ = _among_hooks(within) if _has_hooks(module) else _without(within, top)


def _without(within: TracebackType, top: TracebackType) -> TracebackType:
    return TracebackType(within.tb_next, top.tb_frame, top.tb_lasti, top.tb_lineno)


def _among_hooks(within: TracebackType) -> TracebackType | None:
    """The entries of torch's own code for a module with hooks."""
    call = _called(hooked=True)
    if call is None or call.tb_next is None:
        return within
    inner = TracebackType(within.tb_next, call.tb_next.tb_frame, within.tb_lasti, within.tb_lineno)
    return TracebackType(inner, call.tb_frame, call.tb_lasti, call.tb_lineno)


def _is_caller(top: TracebackType) -> bool:
    """True if the frame of an entry has called us, and handles the exception now."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame is top.tb_frame


def _has_hooks(module: nn.Module) -> bool:
    """True where there are hooks beside ours, so that torch would call the module in the same way."""
    tables = [vars(module).get(name) or vars(hooks).get(name) or {} for name in _TABLES]
    return any(not str(getattr(hook, "__module__", "")).startswith("gradmedic.") for t in tables for hook in t.values())


def _like_without_hooks(code: CodeType) -> CodeType | None:
    """The code, with the position of a call without hooks at the place where it calls `inner`."""
    plain, hooked = _called(hooked=False), _called(hooked=True)
    if plain is None or hooked is None or hooked.tb_next is None or hooked.tb_next.tb_frame.f_code != _INNER:
        return None
    positions = list(code.co_positions())
    here, there = positions[hooked.tb_lasti // 2], positions[plain.tb_lasti // 2]
    table = _line_table((there if position == here else position for position in positions), code.co_firstlineno)
    constants = tuple(marked(const) if const is _INNER else const for const in code.co_consts)
    return code.replace(co_consts=constants, co_linetable=table)


class _Far(Exception):  # noqa: N818
    """Raised where a module's own code would run."""


def _raise_far(*_: object) -> None:
    raise _Far


def _called(hooked: bool) -> TracebackType | None:
    """The entry of torch's code in the traceback of what a module raises, and with hooks that of `inner` behind it."""
    none: dict[str, Any] = {name: {} for name in _TABLES if name in _CALL.__globals__}
    call: Any = FunctionType(_CODE, {**_CALL.__globals__, **none})  # type: ignore[arg-type]
    module = nn.Module()
    module.forward = _raise_far
    if hooked:
        module.register_forward_hook(_raise_far)
    try:
        call(module)
    except _Far as far:
        return far.__traceback__ and far.__traceback__.tb_next
    return None


def _line_table(positions: Iterable[Position], line: int) -> bytes:
    """Positions as Python keeps them in a code object (Objects/locations.md of CPython), each by itself."""
    table = bytearray()
    for first, last, begin, end in positions:
        if first is None or last is None:
            table.append(0x80 | 15 << 3)
            continue
        back, line = line - first, first
        columns = (0 if begin is None else begin + 1, 0 if end is None else end + 1)
        table.append(0x80 | 14 << 3)
        for number in (back << 1 | 1 if back > 0 else -back << 1, last - first, *columns):
            table += bytes(_number(number))
    return bytes(table)


def _number(number: int) -> Iterable[int]:
    """Six bits a byte, the lowest first; all but the last are marked."""
    while number > 63:
        yield 0x40 | number & 63
        number >>= 6
    yield number
