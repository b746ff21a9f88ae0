"""Which weight has which use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from gradmedic.init.reading import Reading, read
from gradmedic.init.recurrent import KINDS
from gradmedic.init.structure import use_of
from gradmedic.init.weights import Weight, weights_of
from gradmedic.theory.uses import GainUse, Use


@dataclass(frozen=True)
class Case:
    """A model, those of its weights that may be changed, and how they are used."""

    model: nn.Module
    weights: Mapping[str, Weight]
    reading: Reading

    @classmethod
    def of(cls, model: nn.Module, batch: Any, frozen: bool, skip: Sequence[str]) -> "Case":
        """Check the weights first, then run the model."""
        model = getattr(model, "_orig_mod", model)  # what torch.compile wraps
        weights = weights_of(model, frozen=frozen, skip=skip)
        return cls(model, weights, read(model, batch))

    def matrices(self) -> Iterator[tuple[Weight, Use]]:
        """The weights that mix or are tables, in the order of the pass."""
        order = {name: place for place, name in enumerate(self.reading.weights)}
        last = len(order)
        for weight in sorted(
            self.weights.values(), key=lambda w: min([order.get(n, last) for n, _ in w.parts] + [last])
        ):
            use = self._use(weight)
            if use is not None and len(weight.shape) > 1:
                yield weight, use

    def _use(self, weight: Weight) -> Use | None:
        for name in (weight.name, *(name for name, _ in weight.parts)):
            if name in self.reading.weights:
                return self.reading.weights[name]
        return use_of(weight.owner) if weight.leaf == "weight" else None

    def gains(self) -> Iterator[tuple[Weight, GainUse]]:
        """The gains of normalizations."""
        return ((self.weights[name], use) for name, use in self.reading.gains.items() if name in self.weights)

    def recurrent(self) -> Iterator[Weight]:
        """The tensors of torch's own recurrent layers."""
        return (weight for weight in self.weights.values() if isinstance(weight.owner, KINDS))

    def steps(self, weight: Weight) -> int | None:
        """How many time steps went through a recurrent layer."""
        return self.reading.steps.get(weight.name.rpartition(".")[0])
