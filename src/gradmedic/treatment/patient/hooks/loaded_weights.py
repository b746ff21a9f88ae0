"""Which weights were loaded: a new start would throw away what they have learned."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from gradmedic.treatment.patient.hooks.wrap import wrapped


class Loads:
    """Notes what is loaded while anybody asks."""

    def __init__(self) -> None:
        self._loaded: dict[int, Any] = {}

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what is loaded inside of the block."""
        with ExitStack() as wraps:
            wraps.enter_context(wrapped(nn.Module, "load_state_dict", self._load_state_dict))
            wraps.enter_context(wrapped(torch, "load", self._load))
            yield

    def has(self, tensor: Tensor) -> bool:
        """True if this weight was loaded."""
        loaded = self._loaded.get(id(tensor))
        return loaded is not None and loaded() is tensor

    def note(self, module: nn.Module) -> None:
        """Note that a module's weights have been loaded."""
        self._loaded.update((id(p), ref(p)) for p in module.parameters())

    def _load_state_dict(self, original: Any) -> Any:
        def load_state_dict(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            result = original(module, *args, **kwargs)
            self.note(module)
            return result

        return load_state_dict

    def _load(self, original: Any) -> Any:
        def load(*args: Any, **kwargs: Any) -> Any:
            found = original(*args, **kwargs)
            for one in found.values() if isinstance(found, dict) else (found,):
                if isinstance(one, nn.Module):
                    self.note(one)
            return found

        return load


def is_pretrained(model: nn.Module) -> bool:
    """True for a model of transformers that knows where it was loaded from; those of a mere configuration do not."""
    parts = (part for part in model.modules() if any(c.__name__ == "PreTrainedModel" for c in type(part).__mro__))
    return any(bool(getattr(part, "name_or_path", "")) for part in parts)
