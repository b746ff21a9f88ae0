"""What all share that hear of operations as torch dispatches them."""

import sys

from gradmedic.probe.torch_internals import DispatchMode


class Dispatched(DispatchMode):  # type: ignore[misc]
    """A mode that does not make torch load its compiler."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return "torch._dynamo" in sys.modules  # torch would load its compiler, which takes two seconds
