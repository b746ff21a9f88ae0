"""Which weight has which use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from gradmedic.base.errors import InitError
from gradmedic.prediction.init.module_structure import use_of
from gradmedic.prediction.init.read_uses import Reading, read
from gradmedic.prediction.init.recurrent import KINDS
from gradmedic.prediction.init.weights import Weight, weights_of
from gradmedic.prediction.model_input import Feed, feed_of
from gradmedic.probe.torch_internals import unwrapped
from gradmedic.theory.plan.parameter_uses import GainUse, WeightUse


@dataclass(frozen=True)
class Case:
    """A model, those of its weights that may be changed, and how they are used."""

    model: nn.Module
    weights: Mapping[str, Weight]
    reading: Reading

    @classmethod
    def of(cls, model: nn.Module, batch: Any, seed: int | None, frozen: bool, skip: Sequence[str]) -> "Case":
        """Check the weights first, then run the model."""
        model = _unwrapped(model, batch, seed)
        weights = weights_of(model, frozen=frozen, skip=skip)
        return cls(model, weights, read(model, batch))

    def matrices(self) -> Iterator[tuple[str, Weight, WeightUse]]:
        """The weights that mix or are tables, with the names that their uses go by, in the order of the pass."""
        named = {name: weight for weight in self.weights.values() for name in (weight.name, *dict(weight.parts))}
        left = {name: weight for name, weight in self.weights.items() if len(weight.shape) > 1}
        for name, use in self.reading.weights.items():
            if name in named and named[name].name in left:
                yield name, left.pop(named[name].name), use
        for name, weight in left.items():
            use_alone = use_of(weight.owner) if weight.leaf == "weight" else None
            if use_alone is not None:
                yield name, weight, use_alone

    def gains(self) -> Iterator[tuple[Weight, GainUse]]:
        """The gains of normalizations."""
        return ((self.weights[name], use) for name, use in self.reading.gains.items() if name in self.weights)

    def recurrent(self) -> Iterator[Weight]:
        """The tensors of torch's own recurrent layers."""
        return (weight for weight in self.weights.values() if isinstance(weight.owner, KINDS))

    def steps(self, weight: Weight) -> int | None:
        """How many time steps went through a recurrent layer."""
        return self.reading.steps.get(weight.name.rpartition(".")[0])


def _unwrapped(model: nn.Module, batch: Any, seed: int | None) -> nn.Module:
    """What torch.compile and parallel wrappers wrap; ranks must not end with weights of their own."""
    inner = unwrapped(model)
    if isinstance(inner, nn.parallel.DistributedDataParallel) and (seed is None or _has_values(batch)):
        raise InitError(
            "each rank would get other weights: initialize the model before it is wrapped in "
            "DistributedDataParallel, or with a seed and, in place of a batch, its shape"
        )
    if isinstance(inner, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner = inner.module
    assert isinstance(inner, nn.Module)
    return inner


def _has_values(batch: Any) -> bool:
    return batch is not None and not (batch if isinstance(batch, Feed) else feed_of(batch)).only_shapes
