"""Conversions to narrow types that become conversions to wider ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from gradmedic.treatment.patient.hooks.function_calls import FunctionCall
from gradmedic.treatment.patient.hooks.wrap import wrapped

if TYPE_CHECKING:
    from gradmedic.treatment.patient import Patient


@contextmanager
def widened(patient: "Patient", wide: torch.dtype) -> Iterator[None]:
    """Convert to `wide` (float32, or bfloat16) where a script converts to what is narrower."""
    narrow = {torch.float16, torch.bfloat16} - {wide}

    def convert(call: FunctionCall) -> Any:
        if call.op == "half" or (call.op == "bfloat16" and torch.bfloat16 in narrow):
            return call.operand.to(wide)
        args = tuple(wide if isinstance(one, torch.dtype) and one in narrow else one for one in call.args)
        kwargs = {
            key: wide if isinstance(one, torch.dtype) and one in narrow else one for key, one in call.kwargs.items()
        }
        return replace(call, args=args, kwargs=kwargs).proceed()

    def casting(original: Callable[..., None]) -> Callable[..., None]:
        def init(context: Any, device: str, dtype: Any = None, enabled: bool = True, *rest: Any, **more: Any) -> None:
            if wide is torch.float32:
                enabled = False
            elif dtype in narrow or (dtype is None and torch.get_autocast_dtype(device) in narrow):
                dtype = wide
            original(context, device, dtype, enabled, *rest, **more)

        return init

    with patient.around_operations((), convert), wrapped(torch.autocast, "__init__", casting):
        yield
