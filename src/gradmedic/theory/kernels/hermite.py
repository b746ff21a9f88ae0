"""Kernels of smooth functions, as series in Hermite polynomials: sum a_n(q1) a_n(q2) c^n.

Daniely et al., Toward deeper understanding of neural networks (arXiv 1602.05897), 2016. What is left beyond
the last degree is put there, even and odd parts apart, so that the kernel is exact at c = 1 and c = -1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradmedic.theory.activations.panels import legendre, points
from gradmedic.theory.kernels.bivariate_normal import density
from gradmedic.theory.kernels.piecewise_linear import Bent

DEGREES = 160
"""Even: what is left of an even function goes to this degree, of an odd one to the next."""
WIDE = 10.0
STEP = 0.5
"""A panel's width in deviations: sixteen points follow the waves of the last polynomial."""
BLOCK = 18
"""Powers that are summed up in one go."""
AT_ONCE = 1 << 14
"""Correlations that are looked at together."""


@dataclass(frozen=True)
class HermiteSeries:
    """Coefficients for inputs of several sizes, of the functions and of their broken lines, and the rests."""

    whole: Tensor
    line: Tensor
    """Both of shape (functions, degrees, sizes)."""
    rests: Tensor
    """Even and odd, of each pair of functions: (2, functions, functions, sizes)."""

    @classmethod
    def of(cls, bent: Bent, sizes: Tensor) -> "HermiteSeries":
        """The series at each size; where there are many, between those at the Chebyshev nodes of their range."""
        span = torch.log(sizes[[0, -1]])
        nodes = 8 + int(12 * (span[1] - span[0]))
        if nodes >= len(sizes):
            return cls._at(bent, sizes)
        turns = torch.cos(torch.pi * (torch.arange(nodes, dtype=torch.float64, device="cpu") + 0.5) / nodes)
        between = _interpolation(turns, (2 * torch.log(sizes) - span.sum()) / (span[1] - span[0]))
        found = cls._at(bent, torch.exp((span.sum() + turns * (span[1] - span[0])) / 2))
        return cls(found.whole @ between, found.line @ between, found.rests @ between)

    @classmethod
    def _at(cls, bent: Bent, sizes: Tensor) -> "HermiteSeries":
        """Integrate the functions and their broken lines against all polynomials."""
        z, weights = _grid(sizes, bent.kinks)
        x = sizes.sqrt()[:, None] * z
        values = torch.cat([bent.functions(x), bent.line(x)])
        mirrored = values.flip(-1)
        parts = (values + mirrored) / 2, (values - mirrored) / 2
        squares = torch.stack([_products(part, weights, len(bent.steps)) for part in parts])
        whole, line = torch.split(_coefficients(values * weights, z), len(bent.steps))
        terms = whole[:, None] * whole[None] - line[:, None] * line[None]
        told = torch.stack([terms[:, :, 0::2].sum(2), terms[:, :, 1::2].sum(2)])
        return cls(whole, line, squares - told)

    def at(self, c: Tensor, where: Tensor, pair: tuple[int, int]) -> Tensor:
        """E[g(u) h(v)] less that of the broken lines, at correlations `c`; `where` has a row for u's and v's size."""
        parts = zip(torch.split(c, AT_ONCE), torch.split(where, AT_ONCE, 1), strict=True)
        return torch.cat([self._some(some, places, pair) for some, places in parts])

    def _some(self, c: Tensor, where: Tensor, pair: tuple[int, int]) -> Tensor:
        (i, j), count = pair, self.whole.shape[-1]
        kinds, which = torch.unique(where[0] * count + where[1], return_inverse=True)
        one, other = kinds // count, kinds % count
        terms = self.whole[i][:, one] * self.whole[j][:, other] - self.line[i][:, one] * self.line[j][:, other]
        even, odd = (_between(rest[i, j][one], rest[i, j][other]) for rest in self.rests)
        return _polynomial(torch.cat([terms, even[None], odd[None]]), c, which if len(kinds) > 1 else None)


def _polynomial(terms: Tensor, c: Tensor, which: Tensor | None) -> Tensor:
    """Horner's scheme, `BLOCK` powers at a time; each place has its own column of `terms` if `which` tells it."""
    powers = torch.cat([torch.ones_like(c)[None], c.expand(BLOCK, -1).cumprod(0)])
    total = torch.zeros_like(c)
    for start in reversed(range(0, len(terms), BLOCK)):
        some = terms[start : start + BLOCK]
        low = powers[: len(some)]
        sums = some[:, 0] @ low if which is None else (some[:, which] * low).sum(0)
        total = total * powers[BLOCK] + sums
    return total


def _interpolation(nodes: Tensor, x: Tensor) -> Tensor:
    """The matrix (nodes, points) that takes values at Chebyshev nodes to those at `x`, by Chebyshev polynomials."""
    degrees = torch.arange(len(nodes), dtype=torch.float64, device="cpu")[:, None]
    at_nodes, at_points = (torch.cos(degrees * torch.acos(t.clamp(-1, 1))) for t in (nodes, x))
    return at_nodes.T @ (at_points * torch.where(degrees == 0, 1.0, 2.0)) / len(nodes)


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
    return torch.stack(found, 1)
