"""Of what a tensor was made: the logits behind probabilities, also after the result was reshaped."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from weakref import ref

import torch
from torch import Tensor

from gradmedic.treatment.patient.hooks.function_calls import FunctionCall

_RESHAPES = """squeeze unsqueeze view reshape flatten unflatten transpose permute movedim t T mT contiguous getitem
select index_select gather take_along_dim narrow chunk split unbind expand clone double float to cpu"""
RESHAPES = frozenset(_RESHAPES.split())
"""Operations that hand entries on as they are."""
MOST = 256
"""Tensors that are remembered at a time."""


@dataclass(frozen=True)
class TensorOrigin:
    """What a tensor was made of: operation, operand, dimension, and how the result was reshaped afterwards."""

    op: str
    source: Tensor
    dim: int | None = None
    reshapes: tuple[Callable[[Tensor], Tensor], ...] = ()

    def reshaped(self, like_source: Tensor) -> Tensor:
        """A tensor of the operand's shape, reshaped as the result was."""
        for reshape in self.reshapes:
            like_source = reshape(like_source)
        return like_source

    def before(self) -> Tensor:
        """The operand, in the shape of the result."""
        return self.reshaped(self.source)

    def logarithm(self) -> Tensor | None:
        """The logarithm of the tensor, without overflow on the way; None where there is no such formula."""
        functions: dict[str, Callable[[Tensor], Tensor]] = {
            "softmax": lambda x: torch.log_softmax(x, _usual(x) if self.dim is None else self.dim),
            "sigmoid": torch.nn.functional.logsigmoid,
            "one-minus-sigmoid": lambda x: torch.nn.functional.logsigmoid(-x),
            "exp": lambda x: x,
        }
        return self.reshaped(functions[self.op](self.source)) if self.op in functions else None


def _usual(x: Tensor) -> int:
    """The dimension of a softmax that nobody named."""
    return 0 if x.dim() in (0, 1, 3) else 1


class Origins:
    """Remembers the origins of the last tensors that were made."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Any, TensorOrigin]] = {}

    def note(self, result: Any, origin: TensorOrigin) -> None:
        """Remember what a tensor was made of."""
        if isinstance(result, Tensor):
            if len(self._held) >= MOST:
                self._held = {key: one for key, one in self._held.items() if one[0]() is not None}
                for key in list(self._held)[: len(self._held) - MOST // 2]:
                    del self._held[key]
            self._held[id(result)] = (ref(result), origin)

    def of(self, tensor: Any) -> TensorOrigin | None:
        """The origin of a tensor, if it is known."""
        found = self._held.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def carry(self, call: FunctionCall, result: Any) -> None:
        """Hand an origin on through a reshape."""
        origin = self.of(call.operand)
        if origin is not None and isinstance(result, Tensor):
            self.note(
                result,
                replace(origin, reshapes=(*origin.reshapes, lambda x: call.func(x, *call.args[1:], **call.kwargs))),
            )

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
