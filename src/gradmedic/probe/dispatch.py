"""What all share that hear of operations as torch dispatches them."""

import sys

from torch.utils._python_dispatch import TorchDispatchMode


class Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode that does not make torch load its compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return "torch._dynamo" in sys.modules  # torch would load its compiler, which takes two seconds
