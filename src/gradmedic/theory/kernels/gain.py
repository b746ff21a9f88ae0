"""Gains: by how much to multiply weights of variance 1 / fan_in, for any activation."""

import math
from typing import Any

from gradmedic.base.errors import TheoryError
from gradmedic.theory.activations import Activation, Gate, activation, gate
from gradmedic.theory.kernels.critical import critical
from gradmedic.theory.kernels.gate_moments import gate_moments
from gradmedic.theory.kernels.moments import moments

MODES = ("critical", "forward", "backward")


class Gain(float):
    """A number to hand to `torch.nn.init`, which also knows the variance that biases need with it."""

    bias_variance: float

    def __new__(cls, value: float, bias_variance: float = 0.0) -> "Gain":
        made = super().__new__(cls, value)
        made.bias_variance = bias_variance
        return made

    @property
    def bias_std(self) -> float:
        """For `torch.nn.init.normal_(layer.bias, std=...)`."""
        return math.sqrt(self.bias_variance)

    def __repr__(self) -> str:
        return f"Gain({float(self)!r}, bias_variance={self.bias_variance!r})"


def gain(it: Any, mode: str = "critical", q: float = 1.0) -> Gain:
    """The gain for an activation given by name, module or any elementwise callable, at inputs of mean square `q`.

    `forward` is 1/sqrt(E f^2): the next layer's mean square is 1. `backward` is 1/sqrt(E f'^2): gradients keep
    their size. `critical` keeps both sizes, with biases of the variance that the result tells (normal, mean zero);
    where biases cannot do that at `q`, as for sigmoid at 1, it is the gain at the nearest size where they can. Unlike
    `torch.nn.init.calculate_gain`, whose 5/3 for tanh makes gradients grow and whose 1 for sigmoid lets them
    vanish. For a gate it is that of the layer behind it. Raises `TheoryError`, with a better way in it, where there
    is none: softplus has no critical gain.
    """
    if mode not in MODES:
        raise TheoryError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    known = gate(it)
    if mode == "critical":
        if known is not None:
            raise TheoryError(f"{known.name} is a product of two inputs: no size is stable; normalize before it")
        point = critical(it, q)
        return Gain(point.sigma_w, point.sigma_b2)
    held = _of_gate(known, mode, q) if known is not None else _of_activation(activation(it), mode, q)
    if not held > 0:
        raise TheoryError(f"no {'signal' if mode == 'forward' else 'gradient'} passes at mean square {q:g}")
    return Gain(held**-0.5)


def _of_activation(phi: Activation, mode: str, q: float) -> float:
    return moments(phi, q).m2 if mode == "forward" else moments(phi, q).d2


def _of_gate(known: Gate, mode: str, q: float) -> float:
    m = gate_moments(known, q)
    return m.y2 if mode == "forward" else m.dy_du2 + m.dy_dv2
