"""Limit gradients before a step: by a norm, by value, by unit, or by what has been usual so far.

>>> import gradmedic as gm
>>> with gm.clip.robust(optimizer) as clip:  # doctest: +SKIP
...     train(model, optimizer)  # nothing to change in the loop
>>> clip.fraction  # doctest: +SKIP
0.004

A companion belongs to one optimizer and acts before each of its steps. It is removed by
`remove()` or at the end of a `with` block. `fraction` says how often it engaged: beyond 0.2 it
acts as a lower learning rate, and lowering that is more honest.
"""

from abc import ABC, abstractmethod
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf, isfinite, sqrt
from statistics import fmean
from types import TracebackType
from typing import Self

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from gradmedic.probe.torch_internals import multiply_all
from gradmedic.treatment.gradient_norms import WIDTH, percentile, spike_limit


def gradients(optimizer: Optimizer) -> list[Tensor]:
    """The gradients that an optimizer is about to use; of sparse ones the values."""
    found = (p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None)
    return [grad.coalesce().values() if grad.is_sparse else grad for grad in found]


def total_norm(grads: Sequence[Tensor]) -> float:
    """The L2 norm of all together; infinite only if an entry is, not because float32 cannot hold a square."""
    norm = float(get_total_norm(grads)) if grads else 0.0
    if isfinite(norm):
        return norm
    largest = float(get_total_norm(grads, norm_type=inf))
    return largest * float(get_total_norm([grad / largest for grad in grads])) if isfinite(largest) else norm


def scale_of(optimizer: Optimizer) -> float:
    """What a GradScaler has multiplied the gradients with: fused optimizers take it out inside of the step."""
    scale = getattr(optimizer, "grad_scale", None)
    return 1.0 if scale is None else float(scale)


@torch.no_grad()
def clip_norm(grads: Sequence[Tensor], limit: float, norm: float | None = None) -> bool:
    """Scale gradients down to a total norm of `limit`; True if that was less. Those that are not finite stay."""
    norm = total_norm(grads) if norm is None else norm
    if not limit < norm < inf:
        return False
    multiply_all(grads, limit / norm)
    return True


@torch.no_grad()
def clip_units(parameters: Iterable[Tensor], ratio: float, eps: float = 1e-3) -> bool:
    """Adaptive gradient clipping: no unit's gradient is larger than `ratio` x that unit's weights.

    A unit is a row of a weight of shape (out, ...); vectors count as a whole. `eps` is the least norm
    of weights, so that what starts at zero can move. True if any was larger. Brock et al., 2021.
    """
    engaged = False
    for weight in parameters:
        if weight.grad is None or weight.grad.is_sparse:
            continue
        dims = tuple(range(1, weight.dim())) if weight.dim() > 1 else tuple(range(weight.dim()))
        most = torch.linalg.vector_norm(weight, dim=dims, keepdim=True).clamp(min=eps) * ratio
        size = torch.linalg.vector_norm(weight.grad, dim=dims, keepdim=True)
        over = size > most
        if bool(over.any()):
            engaged = True
            weight.grad.mul_(torch.where(over, most / size, 1.0))
    return engaged


def skip(optimizer: Optimizer) -> None:
    """Have the coming step move nothing: what has no gradient is left out by every optimizer."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


class Limit(ABC):
    """Says how large a norm may be, from those that it has seen."""

    @abstractmethod
    def of(self, norm: float) -> float:
        """The most that this finite norm may be; it is remembered."""


class RobustLimit(Limit):
    """Three robust standard deviations above the median of ln(norm), over a window of unclipped norms.

    Nothing is clipped in the first `patience` steps. The window holds the norms as they were, so that a
    limit can follow a trend, and the median bears the spikes in it. What is too large is brought down to
    the limit, or to the median (`to="median"`), which suits plain SGD with momentum.
    """

    def __init__(self, width: float = WIDTH, window: int = 200, patience: int = 50, to: str = "limit") -> None:
        self.width, self.patience, self.to_median = width, patience, to == "median"
        self._norms: deque[float] = deque(maxlen=window)
        self._seen = 0
        self._limit = self._aim = inf

    def of(self, norm: float) -> float:
        """The most that this norm may be."""
        if norm > 0:
            self._norms.append(norm)
            self._seen += 1
        if self._seen >= self.patience and (self._limit == inf or self._seen % 10 == 0):
            self._limit = spike_limit(self._norms, self.width)
            self._aim = percentile(self._norms, 0.5) if self.to_median else self._limit
        return self._aim if norm > self._limit else inf


class AutoLimit(Limit):
    """AutoClip: a percentile of all norms so far. At 10 it clips nine steps of ten. Seetharaman et al., 2020."""

    def __init__(self, percent: float = 10.0) -> None:
        self.percent = percent
        self._norms: list[float] = []

    def of(self, norm: float) -> float:
        """The most that this norm may be."""
        insort(self._norms, norm)
        return percentile(self._norms, self.percent / 100)


class ZLimit(Limit):
    """ZClip: running mean and deviation; a norm of z > `most` deviations is brought down to most^2 / z of them.

    Kumar et al., 2025. Their extra bound of 1.0 on every norm is left out.
    """

    def __init__(self, most: float = 2.5, keep: float = 0.97, patience: int = 25) -> None:
        self.most, self.keep, self.patience = most, keep, patience
        self._early: list[float] = []
        self._mean = self._variance = 0.0

    def of(self, norm: float) -> float:
        """The most that this norm may be."""
        if len(self._early) < self.patience:
            self._early.append(norm)
            self._mean = fmean(self._early)
            self._variance = fmean((one - self._mean) ** 2 for one in self._early)
            return inf
        deviation = sqrt(self._variance)
        z = (norm - self._mean) / (deviation + 1e-6)
        limit = self._mean + self.most**2 / z * deviation if z > self.most else inf
        used = min(norm, limit)
        self._mean = self.keep * self._mean + (1 - self.keep) * used
        self._variance = self.keep * self._variance + (1 - self.keep) * (used - self._mean) ** 2
        return limit


class Companion:
    """Acts before each step of one optimizer, until it is removed."""

    def __init__(self, optimizer: Optimizer, act: Callable[[Optimizer], bool]) -> None:
        self.steps = 0
        self.engaged = 0
        self._act = act
        self._handle = optimizer.register_step_pre_hook(self._before)

    def _before(self, optimizer: Optimizer, *_: object) -> None:
        self.steps += 1
        self.engaged += self._act(optimizer)

    @property
    def fraction(self) -> float:
        """The share of steps in which it engaged."""
        return self.engaged / max(1, self.steps)

    def remove(self) -> None:
        """Leave the optimizer alone from now on."""
        self._handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.remove()


def limited(optimizer: Optimizer, limit: Limit, skip_bad: bool = False) -> bool:
    """Clip an optimizer's gradients by what a limit says of their norm; True if that was needed."""
    grads, scale = gradients(optimizer), scale_of(optimizer)
    norm = total_norm(grads)
    if not isfinite(norm):
        if skip_bad:
            skip(optimizer)
        return skip_bad
    return clip_norm(grads, limit.of(norm / scale) * scale, norm)


def robust(optimizer: Optimizer, width: float = WIDTH, to: str = "limit") -> Companion:
    """Clip what is a spike by the run's own norms; a step whose gradient is not finite is left out.

    Of healthy steps under 1 % are clipped. `width` counts robust standard deviations of ln(norm).
    """
    limit = RobustLimit(width, to=to)
    return Companion(optimizer, lambda it: limited(it, limit, skip_bad=True))


def auto(optimizer: Optimizer, percent: float = 10.0) -> Companion:
    """AutoClip: clip to a percentile of all norms so far; nearly always on, as normalized gradient descent is."""
    limit = AutoLimit(percent)
    return Companion(optimizer, lambda it: limited(it, limit))


def zclip(optimizer: Optimizer, most: float = 2.5) -> Companion:
    """ZClip: clip norms that lie `most` running standard deviations above the running mean."""
    limit = ZLimit(most)
    return Companion(optimizer, lambda it: limited(it, limit))


def units(optimizer: Optimizer, ratio: float = 0.01) -> Companion:
    """Adaptive gradient clipping: no unit's gradient beyond `ratio` x that unit's weights."""
    return Companion(optimizer, lambda it: clip_units((p for g in it.param_groups for p in g["params"]), ratio))
