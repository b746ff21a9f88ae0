"""What a gate y = a(u) v does to Gaussian inputs: second moments of its output and of its slopes."""

from dataclasses import dataclass
from typing import Any

from gradmedic.base.errors import ActivationError
from gradmedic.theory.activations import all_gates, gate
from gradmedic.theory.kernels.moments import moments


@dataclass(frozen=True)
class GateMoments:
    """For independent u ~ N(0, q) and v ~ N(0, q_v): how large the output is, and what reaches each input."""

    q: float
    q_v: float
    y2: float
    """E y^2."""
    y4: float
    """E y^4, far more than 3 (E y^2)^2: products of Gaussians have heavy tails."""
    dy_du2: float
    """E (dy/du)^2."""
    dy_dv2: float
    """E (dy/dv)^2."""


def gate_moments(it: Any, q: float, q_v: float | None = None) -> GateMoments:
    """The moments of a gate (name, class, module) for inputs of variance `q`, where v may have another one.

    Raises `ActivationError` for what is no gate.
    """
    known = gate(it)
    if known is None:
        raise ActivationError(f"{it!r} is no gate; there are {', '.join(all_gates())}")
    m, v = moments(known.opens, q), q if q_v is None else q_v
    return GateMoments(q, v, y2=v * m.m2, y4=3 * v * v * m.m4, dy_du2=v * m.d2, dy_dv2=m.m2)
