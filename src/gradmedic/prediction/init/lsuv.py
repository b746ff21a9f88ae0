"""LSUV: orthogonal weights, scaled layer by layer until what they make of a batch has size one."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from torch import nn

from gradmedic.base.errors import InitError
from gradmedic.base.messages import Message
from gradmedic.prediction.init.draws import Draw
from gradmedic.prediction.init.initialized import Initialized
from gradmedic.prediction.init.recurrent import part_of
from gradmedic.prediction.init.trimming import trim, wished
from gradmedic.prediction.init.weight_uses import Case
from gradmedic.prediction.init.write_starts import NO_BIAS, Start, started

MOST = 100.0


def lsuv_(
    model: nn.Module,
    batch: Any,
    *,
    size: float = 1.0,
    law: str = "orthogonal",
    seed: int | None = None,
    frozen: bool = False,
    skip: Sequence[str] = (),
) -> Initialized:
    """Draw weights orthogonal, and scale each until its output for the batch has a root mean square of `size`.

    Mishkin and Matas, All you need is a good init (arXiv 1511.06422). Two things differ: it is the root mean square,
    not the standard deviation, which is next to nothing where outputs are all alike; and a layer is scaled by at most
    a hundred times. It looks after signals only: gradients vanish where slopes are small, as behind sigmoids.

    Biases are set to zero. The other arguments, and errors, are those of `critical_`.
    """
    case = Case.of(model, batch, seed, frozen, skip)
    if case.reading.feed is None:
        raise InitError("lsuv_ measures what weights make of a batch: a shape alone will not do")
    starts = dict(_starts(case, size**2, law))
    wishes = {
        name: wished(case.weights[name], start.made, start.most)
        for name, start in starts.items()
        if start.made is not None and name in case.weights
    }
    then = partial(trim, case.model, case.reading.feed, wishes)
    return started("lsuv", case.reading.how, case.weights, starts, seed, then)


def _starts(case: Case, made: float, law: str) -> Iterator[tuple[str, Start]]:
    for _, weight, use in case.matrices():
        if not use.table:
            draw = Draw(law, 1 / use.fan_in, use.summed)
            yield weight.name, Start(Message("scaled to size one on the batch"), draw, made=made, most=MOST)
            yield from ((name, NO_BIAS) for name in use.biases)
    for weight in case.recurrent():
        part = part_of(weight.owner, weight.leaf)
        if part is not None and len(weight.shape) > 1:
            draw = Draw(law, 1 / weight.shape[1], blocks=part.gates)
            yield weight.name, Start(Message("orthogonal gate by gate, not scaled"), draw)
        else:
            yield weight.name, NO_BIAS
