"""The singular values of a deep network's Jacobian: their mean square, and how far apart they are.

Saxe et al., arXiv 1312.6120, 2014; Pennington et al., Resurrecting the sigmoid (arXiv 1711.04735), 2017. A mean
square of one keeps gradients on average; only if the spread is small too does it keep every direction.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gradmedic.theory.kernels.moments import Moments


@dataclass(frozen=True)
class Jacobian:
    """The squared singular values: their mean, and their variance over the squared mean."""

    mean_square: float
    spread: float


def jacobian(layers: Iterable[tuple[Moments, float]], orthogonal: bool = False) -> Jacobian:
    """Of layers given as the moments of the activation and sigma_w^2, with independent or orthogonal weights."""
    mean, spread = 1.0, 0.0
    for m, sigma_w2 in layers:
        mean *= sigma_w2 * m.d2
        spread += m.d4 / m.d2**2 - (1 if orthogonal else 0)
    return Jacobian(mean, spread)
