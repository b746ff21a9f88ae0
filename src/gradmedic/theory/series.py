"""Kernels of smooth functions, as series in Hermite polynomials: sum a_n(q1) a_n(q2) c^n.

Daniely et al., Toward deeper understanding of neural networks (arXiv 1602.05897), 2016. What is left beyond
the last degree is put there, even and odd parts apart, so that the kernel is exact at c = 1 and c = -1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmedic.activations.panels import legendre, points
from gradmedic.theory.bent import Bent
from gradmedic.theory.orthant import density

DEGREES = 160
"""Even: what is left of an even function goes to this degree, of an odd one to the next."""
WIDE = 13.0
STEP = 0.5
"""A panel's width in deviations: sixteen points follow the waves of the last polynomial."""


@dataclass(frozen=True)
class Series:
    """Coefficients for inputs of several sizes: shapes (functions, sizes, degrees), and the rests."""

    whole: Tensor
    line: Tensor
    rests: Tensor
    """Of each pair of functions at each size: (even and odd, functions, functions, sizes)."""

    @classmethod
    def of(cls, bent: Bent, sizes: Tensor) -> "Series":
        """Integrate the functions, less their broken lines, against all polynomials."""
        z, weights = _grid(sizes, bent.kinks)
        x = sizes.sqrt()[:, None] * z
        values = torch.cat([bent.functions(x), bent.line(x)])
        mirrored = values.flip(-1)
        parts = (values + mirrored) / 2, (values - mirrored) / 2
        squares = torch.stack([_products(part, weights, len(bent.steps)) for part in parts])
        whole, line = torch.split(_coefficients(values * weights, z), len(bent.steps))
        terms = whole[:, None] * whole[None] - line[:, None] * line[None]
        told = torch.stack([terms[..., 0::2].sum(-1), terms[..., 1::2].sum(-1)])
        return cls(whole, line, squares - told)

    def at(self, c: Tensor, where: Tensor, pair: tuple[int, int]) -> Tensor:
        """E[g(u) h(v)] less that of the broken lines, at correlations `c`; `where` has a row for u's and v's size."""
        (i, j), (one, other) = pair, where
        total, power = torch.zeros_like(c), torch.ones_like(c)
        for n in range(self.whole.shape[-1]):
            term = self.whole[i, one, n] * self.whole[j, other, n] - self.line[i, one, n] * self.line[j, other, n]
            total, power = total + term * power, power * c
        even, odd = (_between(rest[i, j, one], rest[i, j, other]) for rest in self.rests)
        return total + power * (even + odd * c)


def _between(one: Tensor, other: Tensor) -> Tensor:
    """The geometric mean, with the sign that both have; nothing where they differ in it."""
    return one.sign() * (one * other).clamp(min=0).sqrt()


def _grid(sizes: Tensor, kinks: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Points in z and their Gaussian weights, (sizes, points): symmetric, with edges at each size's kinks."""
    regular = torch.arange(-WIDE, WIDE + STEP, STEP, dtype=torch.float64, device="cpu")
    scales = [4.0**k for k in range(-2, 7)]
    places = torch.tensor([*kinks, *scales], dtype=torch.float64, device="cpu") / sizes.sqrt()[:, None]
    own = torch.cat([places, -places], 1).clamp(-WIDE, WIDE)
    edges = torch.cat([regular.expand(len(sizes), -1), own], 1).sort(1).values
    z, half = points(torch.stack([edges[:, :-1].flatten(), edges[:, 1:].flatten()], 1))
    weights = half * legendre()[1] * density(z)
    return z.reshape(len(sizes), -1), weights.reshape(len(sizes), -1)


def _products(values: Tensor, weights: Tensor, functions: int) -> Tensor:
    """E[g h] of the functions less that of their lines, for all pairs: (functions, functions, sizes)."""
    whole, line = torch.split(values, functions)
    return ((whole[:, None] * whole[None] - line[:, None] * line[None]) * weights).sum(-1)


def _coefficients(weighted: Tensor, z: Tensor) -> Tensor:
    """E[g(z) h_n(z)] for all degrees n below `DEGREES`, h_n the normalized Hermite polynomials."""
    before, now = torch.zeros_like(z), torch.ones_like(z)
    found = []
    for n in range(DEGREES):
        found.append((weighted * now).sum(-1))
        before, now = now, (z * now - n**0.5 * before) / (n + 1) ** 0.5
    return torch.stack(found, -1)
