"""One weight before and after an initialization."""

from dataclasses import dataclass

from torch import Tensor

from gradmedic.base.messages import Message


@dataclass(frozen=True)
class WeightStatistics:
    """What the entries of a weight are like: their mean and standard deviation, and how they were drawn, if known."""

    mean: float
    std: float
    drawn: str = ""

    @classmethod
    def of(cls, values: Tensor, drawn: str = "") -> "WeightStatistics":
        """Measured."""
        if not values.numel():
            return cls(0.0, 0.0, drawn)
        exact = values.detach().double()
        return cls(float(exact.mean()), float(exact.std(correction=0)), drawn)


@dataclass(frozen=True)
class WeightChange:
    """One weight: what it was like, what it is like now, and why."""

    name: str
    shape: tuple[int, ...]
    before: WeightStatistics
    after: WeightStatistics
    why: Message
