"""He, Xavier and orthogonal initialization of whole models, with torch's own gains and the right fans."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

from torch import nn

from gradmedic.base.errors import InitError
from gradmedic.base.messages import Message
from gradmedic.prediction.init.draws import Draw
from gradmedic.prediction.init.initialized import Initialized
from gradmedic.prediction.init.recurrent import part_of
from gradmedic.prediction.init.weight_uses import Case
from gradmedic.prediction.init.weights import Weight
from gradmedic.prediction.init.write_starts import NO_BIAS, Start, started
from gradmedic.theory.activations import Activation, activation
from gradmedic.theory.activations.elu import Elu
from gradmedic.theory.kernels.gain import gain as gain_of

TORCH = ("relu", "leaky_relu", "tanh", "sigmoid", "selu")
"""What `torch.nn.init.calculate_gain` has a number for; all others get the one that keeps the signal's size."""

Variance = Callable[[float, float, Sequence[int], Sequence[int]], float]
"""From fan-in, fan-out, the shape and the dimensions that are added up, for a gain of one."""


def he_(
    model: nn.Module,
    batch: Any = None,
    *,
    gain: float | str | None = None,
    mode: str = "fan_in",
    law: str = "normal",
    seed: int | None = None,
    frozen: bool = False,
    skip: Sequence[str] = (),
) -> Initialized:
    """Draw weights of variance gain^2 / fan as `torch.nn.init.kaiming_normal_` does, all over a model.

    `gain` is a number, the name of an activation, or by default that of the activation that follows each layer (1
    where none does). It is torch's own, and where torch has none, as for GELU, 1 / sqrt(E f^2). Fans are those that
    a layer really has: also for transposed, grouped and strided convolutions, and for weights of shape (in, out).
    Biases are set to zero; norms and tables are left alone. The other arguments, and errors, are those of `critical_`.
    """
    if mode not in ("fan_in", "fan_out"):
        raise InitError(f"mode {mode!r} is none of fan_in, fan_out")
    variance: Variance = _by_fan_in if mode == "fan_in" else _by_fan_out
    return _classic("he", Case.of(model, batch, seed, frozen, skip), variance, gain, law, seed)


def xavier_(
    model: nn.Module,
    batch: Any = None,
    *,
    gain: float | str | None = None,
    law: str = "normal",
    seed: int | None = None,
    frozen: bool = False,
    skip: Sequence[str] = (),
) -> Initialized:
    """Draw weights of variance gain^2 x 2 / (fan-in + fan-out) as `torch.nn.init.xavier_normal_` does.

    The arguments are those of `he_`; torch's own default is `gain=1.0`.
    """
    return _classic("xavier", Case.of(model, batch, seed, frozen, skip), _by_both, gain, law, seed)


def orthogonal_(
    model: nn.Module,
    batch: Any = None,
    *,
    gain: float | str | None = None,
    seed: int | None = None,
    frozen: bool = False,
    skip: Sequence[str] = (),
) -> Initialized:
    """Draw weights with rows, or columns, at right angles and of length `gain`, as `torch.nn.init.orthogonal_` does.

    Gates of recurrent layers are drawn each for itself. The arguments are those of `he_`.
    """
    return _classic("orthogonal", Case.of(model, batch, seed, frozen, skip), _by_longer_side, gain, "orthogonal", seed)


def _by_fan_in(fan_in: float, fan_out: float, shape: Sequence[int], summed: Sequence[int]) -> float:
    return 1 / fan_in


def _by_fan_out(fan_in: float, fan_out: float, shape: Sequence[int], summed: Sequence[int]) -> float:
    return 1 / fan_out


def _by_both(fan_in: float, fan_out: float, shape: Sequence[int], summed: Sequence[int]) -> float:
    return 2 / (fan_in + fan_out)


def _by_longer_side(fan_in: float, fan_out: float, shape: Sequence[int], summed: Sequence[int]) -> float:
    columns = prod(shape[dim] for dim in summed) if summed else shape[-1]
    rows = prod(shape) // columns
    if len(summed) == 1:  # matrices that are stacked, one for each expert, stand each for itself
        rows //= prod(shape[:-2])
    return 1 / max(rows, columns)


def _classic(
    method: str, case: Case, variance: Variance, gain: float | str | None, law: str, seed: int | None
) -> Initialized:
    starts = dict(_starts(case, variance, gain, law))
    return started(method, case.reading.how, case.weights, starts, seed)


def _starts(case: Case, variance: Variance, gain: float | str | None, law: str) -> Iterator[tuple[str, Start]]:
    for _, weight, use in case.matrices():
        if not use.table:
            factor, why = _gain(gain, use.after)
            square = factor**2 * variance(use.fan_in, use.fan_out, weight.shape, use.summed)
            yield weight.name, Start(why, Draw(law, square, use.summed))
            yield from ((name, NO_BIAS) for name in use.biases)
    for weight in case.recurrent():
        yield weight.name, _recurrent(weight, variance, law)


def _gain(given: float | str | None, after: Activation | None) -> tuple[float, Message]:
    if isinstance(given, int | float):
        return float(given), Message("gain {gain}", {"gain": f"{given:.4g}"})
    phi = after if given is None else activation(given)
    if phi is None:
        return 1.0, Message("gain 1: no activation follows")
    name = "selu" if isinstance(phi, Elu) and phi.scale != 1 else phi.name  # a graph takes SELU for an ELU
    if name in TORCH:
        factor = float(nn.init.calculate_gain(name, getattr(phi, "negative_slope", None)))  # type: ignore[arg-type]
    else:
        factor = float(gain_of(phi, "forward"))
    return factor, Message("gain {gain} of {phi}", {"gain": f"{factor:.4g}", "phi": name})


def _recurrent(weight: Weight, variance: Variance, law: str) -> Start:
    """States and inputs of recurrent layers have a gain of one: what happens again and again explodes with more."""
    part = part_of(weight.owner, weight.leaf)
    if part is None or len(weight.shape) < 2:
        return NO_BIAS
    rows, columns = weight.shape[0] // part.gates, weight.shape[1]
    square = variance(columns, rows, (rows, columns), (1,))
    return Start(Message("gain 1, gate by gate"), Draw(law, square, blocks=part.gates))
