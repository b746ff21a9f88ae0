"""Critical initialization of a whole model: signals and gradients keep their size over depth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from gradmedic.base.messages import Message
from gradmedic.prediction.init.draws import Draw
from gradmedic.prediction.init.initialized import Initialized
from gradmedic.prediction.init.recurrent import RecurrentParameter, opened, part_of, told
from gradmedic.prediction.init.trimming import trim, wished
from gradmedic.prediction.init.weight_uses import Case
from gradmedic.prediction.init.weights import Weight
from gradmedic.prediction.init.write_starts import NO_BIAS, Start, started
from gradmedic.theory.kernels.critical import homogeneous
from gradmedic.theory.plan.init_targets import Aim, Edge
from gradmedic.theory.plan.parameter_uses import GainUse, WeightUse
from gradmedic.theory.plan.paths import Origin

MOST = {Origin.DATA: 100.0, Origin.ATTENTION: 1.0}
OF_OTHERS = 2.0
"""By how much trimming may enlarge weights: those that meet the data, whatever its unit, and all others. What
attention has taken a mean of is small, but no longer so when it looks at one token."""


def critical_(
    model: nn.Module,
    batch: Any = None,
    *,
    q: float = 1.0,
    law: str = "orthogonal",
    balance: bool | None = None,
    seed: int | None = None,
    frozen: bool = False,
    skip: Sequence[str] = (),
) -> Initialized:
    """Draw all weights so that the model stands at the edge of chaos: neither signals nor gradients grow or shrink.

    Each weight gets the variance that belongs to the activation before it and the one behind it, functional ones
    too; biases get theirs (mostly none); the last layer of each of L residual branches gets 1/L of the stream;
    recurrent states start orthogonal with the gate open that keeps them; outputs have size one.

    `batch` is what the model is called with. With it each layer's weights are then trimmed to what they make of it,
    so that padding, pooling and the data's own size are accounted for. A shape will do to see how weights are used.
    Without it the shape is guessed, or the modules' order has to tell; what is returned says which.

    `q` is the mean square of what goes into activations. `law` is "orthogonal", "normal" or "uniform". With
    `balance` the weights of each unit sum to zero, which gives sigmoid and softplus a critical point; by default where
    there is no other, or none that is stable (GELU, SiLU). `seed` is that of the script unless given; the global
    random state stays as it was. Frozen weights are left alone unless `frozen`, and those whose names fit a pattern
    of `skip`. Parameters stay the same objects; optimizers, buffers and the gains of most norms are not touched.

    Raises `InitError` for weights that are lazy, on the meta device, sharded, or made of others by a parametrization
    other than weight norm.
    """
    case = Case.of(model, batch, seed, frozen, skip)
    starts = dict(_Starts(case, Edge(q, balance), law).all())
    wishes = {
        name: wished(case.weights[name], start.made, start.most)
        for name, start in starts.items()
        if start.made is not None and name in case.weights
    }
    feed = case.reading.feed
    then = partial(trim, case.model, feed, wishes) if feed is not None else None
    return started("critical", case.reading.how, case.weights, starts, seed, then)


@dataclass(frozen=True)
class _Starts:
    """The starts of one model's weights."""

    case: Case
    edge: Edge
    law: str

    def all(self) -> Iterator[tuple[str, Start]]:
        """By name; what has no start stays as it is."""
        aims = self.edge.aims(self.case.reading.weights)
        for name, weight, use in self.case.matrices():
            yield from self._matrix(weight, use, aims.get(name) or self.edge.aim(use))
        for weight, gain in self.case.gains():
            yield from self._gain(weight, gain)
        for weight in self.case.recurrent():
            yield from self._recurrent(weight)

    def _matrix(self, weight: Weight, use: WeightUse, aim: Aim) -> Iterator[tuple[str, Start]]:
        law = "normal" if use.table else self.law
        if use.state and use.after is not None and homogeneous(use.after):
            law = "identity"
        made = None if use.table or use.state else aim.made
        draw = Draw(law, aim.variance, use.summed, aim.balanced)
        yield weight.name, Start(aim.why, draw, made=made, most=MOST.get(use.origin, OF_OTHERS))
        for name in use.biases:
            yield name, Start(_WITH_BIAS, Draw("normal", aim.bias, ())) if aim.bias else NO_BIAS

    def _gain(self, weight: Weight, use: GainUse) -> Iterator[tuple[str, Start]]:
        found = self.edge.gain(use)
        if found is not None:
            yield weight.name, Start(found.why, constant=found.gain)
            if found.bias:
                yield use.bias, Start(_WITH_BIAS, Draw("normal", found.bias, ()))

    def _recurrent(self, weight: Weight) -> Iterator[tuple[str, Start]]:
        part = part_of(weight.owner, weight.leaf)
        if part is None:
            return
        if len(weight.shape) < 2:
            steps = self.case.steps(weight)
            fill = partial(opened, part, steps)
            yield weight.name, Start(told(part, steps), fill=fill) if part.keeps is not None else NO_BIAS
        elif part.phi is None or part.width != weight.shape[0] // part.gates:
            why = Message("a state, orthogonal gate by gate") if part.state else Message("inputs of gates: of size one")
            law = "orthogonal" if part.state else self.law
            yield weight.name, Start(why, Draw(law, 1 / weight.shape[1], blocks=part.gates))
        else:
            yield weight.name, self._simple(part, weight.shape[1])

    def _simple(self, part: RecurrentParameter, fan_in: int) -> Start:
        """A recurrence that is one sum within one function."""
        assert part.phi is not None
        aim = self.edge.aim(WeightUse(fan_in, part.width, after=part.phi, state=part.state))
        law = self.law if not part.state else "identity" if homogeneous(part.phi) else "orthogonal"
        return Start(aim.why, Draw(law, aim.variance))


_WITH_BIAS = Message("biases of the size that its activation wants")
