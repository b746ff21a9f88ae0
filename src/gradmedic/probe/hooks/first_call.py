"""The moment right before a model is called for the first time."""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

import torch
from torch import nn
from torch.nn.modules import module as hooks
from torch.utils.hooks import RemovableHandle

from gradmedic.base.background import in_forked_children, weakly
from gradmedic.base.interruption import let_through
from gradmedic.base.warn import warn_of
from gradmedic.probe.hooks.unseen_frames import uncounted
from gradmedic.probe.torch_internals import MODULE_HOOKS, unwrapped


class FirstCall:
    """Calls `then` once: before `model` runs for the first time, or before anything is compiled.

    A compiler would follow a hook of ours into the model, so that none may be there when it comes. What `then`
    raises is warned of.
    """

    def __init__(self, model: nn.Module, then: Callable[[], object]) -> None:
        self._model, self._then = ref(model), then
        self._handle: RemovableHandle | None = None
        self._compile: tuple[Any, Any] | None = None

    def wait(self) -> None:
        """Be told of calls from now on; of a model that is compiled already, nothing is waited for."""
        model = self._model()
        if model is None or _is_compiled(model):
            self._go_on()
            return
        self._handle = hooks.register_module_forward_pre_hook(self._called)
        original = torch.compile
        self._compile = original, self._before(original)
        torch.compile = self._compile[1]
        in_forked_children(weakly(self.cancel))

    def cancel(self) -> None:
        """Wait no longer; harmless where nothing is waited for."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._compile is not None:
            original, ours = self._compile
            if torch.compile is ours:
                torch.compile = original
            self._compile = None

    def _before(self, original: Any) -> Any:
        def compile(*args: Any, **kwargs: Any) -> Any:
            if self._handle is None:  # somebody has kept this function
                return original(*args, **kwargs)
            self._go_on()
            return torch.compile(*args, **kwargs)

        compile.__doc__, compile.__wrapped__ = original.__doc__, original  # type: ignore[attr-defined]
        return uncounted(compile)

    def _called(self, module: nn.Module, inputs: Any) -> None:
        if module is not self._model():
            return
        listed: Mapping[int, Any] = MODULE_HOOKS.get("before", {})
        before = set(listed)
        self._go_on()
        # Torch has listed the hooks of this very call already: those that listen from now on hear of it here.
        for number, hook in list(listed.items()):
            if number not in before:
                hook(module, inputs)

    def _go_on(self) -> None:
        self.cancel()
        try:
            self._then()
        except Exception as error:
            let_through(error)
            warn_of(f"gradmedic could not begin to watch: {error!r}. Training goes on.")


def _is_compiled(model: nn.Module) -> bool:
    """True for what `torch.compile` or `model.compile()` has made of a model."""
    return unwrapped(model) is not model or "_compiled_call_impl" in vars(model)
