"""What the script clips: how large the gradients were before, and how often it bites."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from gradmedic.base.storage import is_readable
from gradmedic.probe.torch_internals import norms


@dataclass
class _Clip:
    """One call of clip_grad_norm_, or several of the same gradients."""

    parameters: tuple[int, ...]
    """By their `id()`: a parameter that the script drops does not live on."""
    total: Tensor
    limit: float


@dataclass
class Clips:
    """The clipping since the last backward pass, and the counters of the run.

    Nothing here waits for a device: numbers stay where they are until somebody asks.
    """

    calls: int = 0
    idle: int = 0
    """Calls that met no gradient which a step had not used yet."""
    scaled: int = 0
    """Calls that met gradients with a scaler's factor in them."""
    _bites: Any = 0
    _since: list[_Clip] = field(default_factory=list)
    _whole: dict[tuple[int, ...], bool] = field(default_factory=dict)

    @property
    def bites(self) -> int:
        """Calls that have made gradients smaller, as far as that was looked at."""
        return int(self._bites)

    def __bool__(self) -> bool:
        return bool(self._since)

    def clear(self) -> None:
        """New gradients are about to be computed."""
        if self._since:
            self._since = []

    def by_norm(self, parameters: Sequence[Tensor], total: Tensor, limit: float, scale: float, euclidean: bool) -> None:
        """Note a norm that the script has computed of gradients that may still carry a scaler's factor."""
        self.calls += 1
        if not is_readable(total):
            return
        self._bites = self._bites + (total > limit)
        self.scaled += scale > 1
        if not euclidean:
            return
        these = tuple(map(id, parameters))
        before = next((clip for clip in self._since if these and clip.parameters == these), None)
        if before is not None:  # its size was already that of clipped gradients
            before.limit = min(before.limit, limit / scale)
        else:
            self._since.append(_Clip(these, total / scale, limit / scale))

    def by_value(self, parameters: Iterable[Tensor], limit: float) -> None:
        """See whether a limit on single entries bites."""
        grads = [p.grad.detach() for p in parameters if p.grad is not None and not p.grad.is_sparse]
        if grads and all(map(is_readable, grads)):
            self.calls += 1
            largest = torch.stack([norm.to(grads[0].device) for norm in norms(grads, torch.inf)]).max()
            self._bites = self._bites + (largest > limit)

    def total(self, held: Sequence[Tensor] | None) -> tuple[Tensor, float | None] | None:
        """Norm and limit, if all of the gradients that are held have been clipped."""
        if not self._since or (held is not None and not self._covers(held)):
            return None
        limit = self._since[0].limit
        size = torch.stack([clip.total.double() for clip in self._since]).norm()
        return size, limit if len(self._since) == 1 and isfinite(limit) else None

    def _covers(self, held: Sequence[Tensor]) -> bool:
        """Whether every gradient that is held was clipped; looked at once per pair of lengths."""
        key = (id(held[0]) if held else 0, len(held), *(len(clip.parameters) for clip in self._since))
        if key not in self._whole and len(self._whole) < 64:
            clipped = {one for clip in self._since for one in clip.parameters}
            self._whole[key] = all(p.grad is None or id(p) in clipped for p in held)
        return self._whole.get(key, False)
