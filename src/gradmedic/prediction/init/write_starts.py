"""Give weights their starts: in place, all or none of them, with random numbers of their own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from gradmedic.base.messages import Message
from gradmedic.prediction.init.change import WeightChange, WeightStatistics
from gradmedic.prediction.init.draws import Draw
from gradmedic.prediction.init.initialized import Before, Initialized, put_back
from gradmedic.prediction.init.weights import Weight

Fill = Callable[[tuple[int, ...], Generator, torch.device], Tensor]


@dataclass(frozen=True)
class Start:
    """How one weight starts, and why: drawn, filled by a function, or one number everywhere."""

    why: Message
    draw: Draw | None = None
    fill: Fill | None = None
    constant: float = 0.0
    made: float | None = None
    """The mean square that what it makes of a batch is to have, if there is one to trim it on."""
    most: float = 1.0
    """By how much trimming may multiply it."""

    @property
    def drawn(self) -> str:
        """A word for how."""
        return self.draw.law if self.draw is not None else "by unit" if self.fill is not None else "constant"

    def values(self, weight: Weight, generator: Generator) -> Tensor:
        """The values to start with; rows of a table that stand for padding are zero."""
        device, shape = weight.parts[0][1].device, tuple(weight.shape)
        if self.fill is not None:
            return self.fill(shape, generator, device)
        if self.draw is None:
            return torch.full(shape, self.constant, device=device)
        values = self.draw.values(shape, device, generator)
        padding = getattr(weight.owner, "padding_idx", None)
        if padding is not None and isinstance(weight.owner, nn.Embedding | nn.EmbeddingBag):
            values[padding] = 0.0
        return values


NO_BIAS = Start(Message("no bias"))


def started(
    method: str,
    how: Message,
    weights: Mapping[str, Weight],
    starts: Mapping[str, Start],
    seed: int | None,
    then: Callable[[], object] | None = None,
) -> Initialized:
    """Write the starts, do what is to be done then, and tell what has changed; if anything fails nothing has."""
    touched = {name: weights[name] for name in weights if name in starts}
    before = {part: (p, p.detach().clone()) for weight in touched.values() for part, p in weight.parts}
    laws = {name: WeightStatistics.of(weight.value()) for name, weight in touched.items()}
    with _or_put_back(before), torch.no_grad():
        numbers = _Generators(seed)
        for name, weight in touched.items():
            weight.put(starts[name].values(weight, numbers.on(weight.parts[0][1].device)))
        if then is not None:
            then()
        changes = tuple(_change(weight, laws[name], starts[name]) for name, weight in touched.items())
    return Initialized(method, how, changes, before)


def _change(weight: Weight, before: WeightStatistics, start: Start) -> WeightChange:
    return WeightChange(
        weight.name, tuple(weight.shape), before, WeightStatistics.of(weight.value(), start.drawn), start.why
    )


@contextmanager
def _or_put_back(before: Before) -> Iterator[None]:
    try:
        yield
    except BaseException:
        put_back(before)
        raise


class _Generators:
    """One generator per device, all with one seed: that of the script unless another is given."""

    def __init__(self, seed: int | None) -> None:
        self._seed = torch.initial_seed() if seed is None else seed
        self._made: dict[torch.device, Generator] = {}

    def on(self, device: torch.device) -> Generator:
        """The generator for a device."""
        if device not in self._made:
            self._made[device] = Generator(device).manual_seed(self._seed % 2**63)
        return self._made[device]
