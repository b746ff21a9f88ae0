"""Critical initialization: weights and biases at which neither the signal nor its gradient grows or shrinks.

With weights of variance sigma_w^2 / fan_in and biases of variance sigma_b^2 a deep layer's mean square q holds
where q = sigma_w^2 E f^2 + sigma_b^2, and the squared gradient where sigma_w^2 E f'^2 = 1 (Poole et al., arXiv
1606.05340; Schoenholz et al., arXiv 1611.01232). Both together: sigma_w^2 = 1 / d2(q), sigma_b^2 = q - m2(q) / d2(q).

Weights are balanced if those of each unit sum to zero (Huang et al., arXiv 1710.02338; Brock et al., arXiv 2101.08692).
What an activation gives on average then has no effect, and Var f takes the place of E f^2. By the inequality of
Poincaré Var f <= q E f'^2, so that each activation has such a point for every q, sigmoid and softplus too.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gradmedic.base.errors import TheoryError
from gradmedic.theory.activations import Activation, activation
from gradmedic.theory.kernels.moments import Moments, moments

NOTHING = 1e-9
"""Share of q below which a bias variance is rounding."""
SIZES = tuple(10 ** (k / 10) for k in range(-40, 41))
"""Where a fixed point is looked for."""
INFINITELY_SMALL = 1e-20


@dataclass(frozen=True)
class Critical:
    """A point on the edge of chaos: the sizes of weights and biases, and the mean square that layers then keep."""

    sigma_w: float
    """Standard deviation of weights times sqrt(fan_in): the gain of `torch.nn.init`."""
    sigma_b2: float
    """Variance of biases."""
    q_star: float
    """Mean square of pre-activations; 0 where the signal fades algebraically and the gradient holds."""
    slope: float
    """By how much a deviation from `q_star` is multiplied in each layer: below 1 it heals."""
    dchi_dq: float
    """How the squared gradient's gain per layer, 1 here, changes with q."""
    balanced: bool = False
    """Whether the weights of each unit have to sum to zero."""

    @property
    def feasible(self) -> bool:
        """Whether such weights and biases exist: no variance is negative."""
        return self.sigma_b2 >= 0

    @property
    def stable(self) -> bool:
        """Whether layers keep near `q_star` by themselves, or at least do not drift away faster and faster."""
        return self.slope < 1 + 1e-6


def on_edge(phi: Activation, q: float, *, balanced: bool = False) -> Critical:
    """The only point of the edge of chaos at which layers keep mean square `q`; feasible for every q if `balanced`.

    Raises `TheoryError` where no gradient passes at all.
    """
    m = moments(phi, q)
    if not m.d2 > 0:
        raise TheoryError(f"{phi.title} passes no gradient at inputs of mean square {q:g}")
    bias = q - m.var / m.d2 if balanced else _bias(m)
    grows = _var_dq(phi, q) if balanced else m.m2_dq
    return Critical(m.d2**-0.5, 0.0 if abs(bias) < NOTHING * q else bias, q, grows / m.d2, m.d2_dq / m.d2, balanced)


def enduring(phi: Activation, q: float = 1.0) -> Critical:
    """The critical point for deep networks: of balanced weights where that of others does not exist or is not stable.

    Raises `TheoryError` where there is none at all, as for functions that jump.
    """
    plain = on_edge(phi, q)
    point = plain if plain.feasible and plain.stable else on_edge(phi, q, balanced=True)
    if not point.feasible:
        raise TheoryError(_none(phi, None))
    return point


def edge_of_chaos(phi: Activation, sizes: Iterable[float] = SIZES) -> list[Critical]:
    """The curve (sigma_w, sigma_b) on which gradients hold, by the mean square that layers keep there."""
    return [point for q in sizes if moments(phi, q).d2 > 0 and (point := on_edge(phi, q)).feasible]


def with_bias(phi: Activation, variance: float = 0.0) -> list[Critical]:
    """All critical points whose biases have that variance, for q in 1e-4 ... 1e4 and for q -> 0 if it is drawn there.

    For an activation that does not care for size (ReLU and kin) every q is one; q = 1 stands for them.
    """
    if variance == 0 and homogeneous(phi):
        return [on_edge(phi, 1.0)]
    vanishing = [point] if variance == 0 and (point := _vanishing(phi)) else []
    return vanishing + [on_edge(phi, q) for q in _roots(lambda q: (_bias(moments(phi, q)) - variance) / q)]


def critical(it: Any, q: float = 1.0, bias: float | None = None) -> Critical:
    """The critical initialization of an activation (name, module or callable) for layers that keep mean square `q`.

    Where no biases do that, the point nearest to it that exists. With `bias`, the variance that biases have, q
    follows from it. Raises `TheoryError` where there is none.
    """
    phi = activation(it)
    if bias is not None:
        points = [point for point in with_bias(phi, bias) if point.stable]
    else:
        wanted = on_edge(phi, q)
        points = [wanted] if wanted.feasible else with_bias(phi)
    if not points:
        raise TheoryError(_none(phi, bias))
    return min(points, key=lambda point: abs(math.log(max(point.q_star, INFINITELY_SMALL) / q)))


def homogeneous(phi: Activation) -> bool:
    """Whether the output grows as the input does, at any size: f(r x) = r f(x) for r > 0."""
    return all(abs(m.s - 1) < NOTHING and abs(m.k) < NOTHING for m in (moments(phi, q) for q in (0.01, 1.0, 100.0)))


def _bias(m: Moments) -> float:
    """The bias variance with which both signal and gradient hold."""
    return m.q - m.m2 / m.d2 if m.d2 > 0 else -math.inf


def _var_dq(phi: Activation, q: float) -> float:
    """The slope in q of the output's variance."""
    step = 1e-3 * q
    return (moments(phi, q + step).var - moments(phi, q - step).var) / (2 * step)


def _vanishing(phi: Activation) -> Critical | None:
    """The point at q = 0, if small signals are drawn to it: they fade as 1 / depth there, and gradients hold."""
    at, near = moments(phi, INFINITELY_SMALL), moments(phi, 1e-4)
    if moments(phi, 0.0).m2 > 0 or at.d2 < 1e-6 or near.m2 / near.q > at.d2 * (1 + 1e-12):
        return None
    return Critical(at.d2**-0.5, 0.0, 0.0, 1.0, near.d2_dq / at.d2)


def _roots(f: Callable[[float], float]) -> Iterator[float]:
    """Where a function of q crosses zero, by bisection in ln q."""
    for left, right in pairwise(SIZES):
        if not (abs(f(left)) > NOTHING and abs(f(right)) > NOTHING and (f(left) < 0) != (f(right) < 0)):
            continue
        if not math.isfinite(f(left) + f(right)):
            continue
        low, high = math.log(left), math.log(right)
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if (f(math.exp(middle)) < 0) == (f(left) < 0) else (low, middle)
        yield math.exp(low)


def _none(phi: Activation, bias: float | None) -> str:
    if bias is not None and (other := on_edge(phi, 1.0)).feasible:
        return (
            f"{phi.title} has no critical point that holds with bias variance {bias:g}; at mean square 1 it takes "
            f"gain {other.sigma_w:.4g} and bias variance {other.sigma_b2:.4g}"
        )
    return (
        f"{phi.title} has no critical initialization: its mean output outweighs its slope, and no gain keeps both "
        "signal and gradient; take another activation (relu, gelu, elu), normalize before it, or let the weights of "
        "each unit sum to zero, as gm.init.critical_ does"
    )
