"""Where a graph is cut between some weights and the loss, and how it is joined again."""

import sys
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
from torch import Tensor, nn

from gradmedic.base.errors import RemedyError
from gradmedic.probe.graph.graph import leaves_of
from gradmedic.probe.hooks.sequence_intervals import user_frame
from gradmedic.treatment.patient.hooks.backward import PendingBackward
from gradmedic.treatment.patient.hooks.function_calls import FunctionCall
from gradmedic.treatment.patient.hooks.op_names import is_in_place

if TYPE_CHECKING:
    from gradmedic.treatment.patient import Patient

CUTS, HANDED_OUT, MADE_ANEW = ("detach", "data"), ("tolist", "numpy"), ("tensor", "as_tensor")
PASSES = 2
"""Passes without a gradient after which it is given up: in the first one the cuts are only found."""


class Cuts:
    """Learns in the first pass where the graph is cut, and joins it there from the second one on."""

    def __init__(self, patient: "Patient", names: Sequence[str], lines: Sequence[str]) -> None:
        self._patient, self._names = patient, names
        self._lines = set(lines)
        self._learning = not lines
        self._passes, self._reached = 0, False
        self._handed: dict[int, tuple[Any, Tensor]] = {}
        self._loose: dict[int, tuple[Any, str]] = {}
        self._joined: dict[int, Any] = {}
        self._entered: list[tuple[bool, bool, str]] = []
        self._known: dict[int, tuple[Any, bool]] = {}

    def look(self, call: FunctionCall) -> Any:
        """Make a call; hand the gradient through where the script cuts it."""
        if call.op in CUTS:
            return call.operand if self._is_cut(call.operand, call) else call.proceed()
        if call.op in HANDED_OUT:
            return self._hand_out(call)
        if call.op in MADE_ANEW:
            return self._make_anew(call)
        if self._loose and torch.is_grad_enabled():
            self._lines |= {self._loose[id(one)][1] for one in call.args if _is_held(self._loose, one)}
        if torch.is_grad_enabled() or is_in_place(call.func, call.kwargs):
            return call.proceed()
        if not any(_is_held(self._joined, one) for one in call.args):
            return call.proceed()
        with torch.enable_grad():
            return self._join(call.proceed())

    def enter(self, module: nn.Module, _: tuple[Any, ...]) -> bool:
        """Turn gradients on for a part of the network for which the script has turned them off."""
        on, line = torch.is_grad_enabled(), ""
        joins = False
        if not on and any(self._is_wanted(weight) for weight in module.parameters()):
            line = _user_line()
            inside = any(was_on for was_on, *_ in self._entered)
            joins = inside or (not self._learning and line in self._lines)
        self._entered.append((on, joins, line))
        if joins:
            torch.set_grad_enabled(True)
        return joins

    def leave(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> bool:
        """Put the script's own mode back."""
        on, joins, line = self._entered.pop() if self._entered else (True, False, "")
        if joins:
            torch.set_grad_enabled(on)
            self._join(output)
        elif line and self._learning and not self._entered and isinstance(output, Tensor):
            self._loose[id(output)] = (ref(output), line)
        return False

    def passing(self, one: PendingBackward) -> Any:
        """See whether the gradient arrives by now."""
        if not self._reached:
            self._reached = any(self._is_wanted(leaf) for leaf in one.leaves())
            if not self._reached and self._passes >= PASSES:
                raise RemedyError("it was not found where the graph is cut; what has left torch cannot be joined")
        self._passes += 1
        self._learning = False
        for held in (self._handed, self._loose, self._joined):
            held.clear()
        return one.proceed()

    def _is_cut(self, operand: Any, call: FunctionCall) -> bool:
        """True where this line is to hand the gradient through; in the first pass lines are only noted."""
        if not isinstance(operand, Tensor) or not operand.requires_grad or operand.is_leaf:
            return False
        line = call.line
        if self._learning and any(self._is_wanted(leaf) for leaf in leaves_of(operand)):
            self._lines.add(line)
        return not self._learning and line in self._lines

    def _hand_out(self, call: FunctionCall) -> Any:
        operand = call.operand
        result = call.on(operand.detach())  # the script may have detached it, and we have not
        if operand.requires_grad:
            self._handed[id(result)] = (result, operand)
        return result

    def from_numpy(self, original: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        """The function of that name, which no mode sees, for arrays that were handed out before."""

        def from_numpy(array: Any) -> Tensor:
            made: Tensor = self._make_anew(FunctionCall("from_numpy", original, (array,), {}))
            return made

        return from_numpy

    def _make_anew(self, call: FunctionCall) -> Any:
        source = call.args[0] if call.args else None
        held = self._handed.get(id(source))
        source = held[1] if held is not None and held[0] is source else source
        if not self._is_cut(source, call) or not isinstance(source, Tensor):
            return call.proceed()
        made = call.proceed()
        return source.to(made.dtype).reshape(made.shape).clone()

    def _join(self, output: Any) -> Any:
        if isinstance(output, Tensor):
            self._joined[id(output)] = (ref(output), "")
        return output

    def _is_wanted(self, weight: Tensor) -> bool:
        known = self._known.get(id(weight))
        if known is None or known[0]() is not weight:
            known = self._known[id(weight)] = (ref(weight), self._patient.is_one_of(weight, self._names))
        return known[1]


def _is_held(held: dict[int, Any], one: object) -> bool:
    found = held.get(id(one))
    return found is not None and found[0]() is one


def _user_line() -> str:
    frame = user_frame(sys._getframe(1))
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame is not None else ""
