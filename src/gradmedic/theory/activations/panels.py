"""Gauss-Legendre panels: sixteen points each, and a test of whether they tell all of a function."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from gradmedic.base.own_gradients import unheard

Function = Callable[[Tensor], Tensor]
"""Elementwise, from a tensor to one of the same shape."""

ORDER = 16


@cache
def legendre() -> tuple[Tensor, Tensor, Tensor]:
    """Nodes and weights on [-1, 1], and the rows that give a function's last two Legendre coefficients.

    Golub and Welsch, Calculation of Gauss quadrature rules, 1969: the nodes are eigenvalues, and the
    eigenvectors hold the orthonormal polynomials at the nodes.
    """
    n = torch.arange(1, ORDER, dtype=torch.float64, device="cpu")
    off = n / (4 * n * n - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(off, 1) + torch.diag(off, -1))
    vectors = vectors * vectors[0].sign()
    nodes = (nodes - nodes.flip(0)) / 2  # an odd function's integral is then exactly zero
    weights = 2 * vectors[0] ** 2
    weights = (weights + weights.flip(0)) / 2
    last = vectors[-2:] * weights.sqrt()
    return nodes, weights, last


def points(edges: Tensor) -> tuple[Tensor, Tensor]:
    """The nodes of panels (rows of left and right ends), and the half width of each panel."""
    nodes, _, _ = legendre()
    half = (edges[:, 1:] - edges[:, :1]) / 2
    return (edges[:, 1:] + edges[:, :1]) / 2 + half * nodes, half


def rest(values: Tensor) -> Tensor:
    """What the last two Legendre coefficients on each panel hold: next to nothing where nodes suffice."""
    _, _, last = legendre()
    return (values @ last.T).abs().amax(-1)


def value_and_slope(f: Function, x: Tensor) -> tuple[Tensor, Tensor]:
    """A function and its derivative, as autograd has it, at every element of `x`."""
    with torch.inference_mode(False), torch.enable_grad(), unheard():
        x = x.detach().clone().requires_grad_()
        y = f(x)
        if not y.requires_grad:  # constant, or rounded: autograd finds no way back
            return y.detach(), torch.zeros_like(x)
        (slope,) = torch.autograd.grad(y.sum(), x, materialize_grads=True)
    return y.detach(), slope
