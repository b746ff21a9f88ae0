"""The slow, obvious twins of what the probe measures in a hurry."""

from collections.abc import Sequence
from math import fsum, isfinite, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def entries(t: Tensor) -> list[float]:
    """Every entry as a Python number; of complex ones the modulus."""
    flat = (t if t.layout is torch.strided else t.to_dense()).flatten()
    return [abs(entry) for entry in flat.tolist()] if t.is_complex() else [float(entry) for entry in flat.tolist()]


def norm(t: Tensor) -> float:
    """The L2 norm of the finite entries."""
    return sqrt(fsum(x * x for x in entries(t) if isfinite(x)))


def nonzero(t: Tensor) -> int:
    """How many entries are not zero."""
    return sum(x != 0 for x in entries(t))


def finite(t: Tensor) -> list[float]:
    """The finite entries."""
    return [x for x in entries(t) if isfinite(x)]


def active_units(t: Tensor, dim: int) -> list[bool]:
    """For each unit along `dim` whether any entry is not zero."""
    return [any(x != 0 for x in entries(t.select(dim, unit))) for unit in range(t.shape[dim])]


States = tuple[Tensor, Tensor]
Hidden = dict[tuple[int, int], list[Tensor]]


def step(mode: str, x: Tensor, h: Tensor, c: Tensor, weights: dict[str, Tensor | None]) -> States:
    """One step of a recurrent cell, as the documentation of PyTorch writes it."""
    ours, theirs = linear(x, _given(weights["ih"]), weights["bih"]), linear(h, _given(weights["hh"]), weights["bhh"])
    if mode.startswith("RNN"):
        return (torch.tanh if mode == "RNN_TANH" else torch.relu)(ours + theirs), c
    if mode == "GRU":
        (xr, xz, xn), (hr, hz, hn) = ours.chunk(3, -1), theirs.chunk(3, -1)
        z = torch.sigmoid(xz + hz)
        return (1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * h, c
    i, f, g, o = (ours + theirs).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return (h if weights["hr"] is None else linear(h, weights["hr"])), c


def unrolled(
    rnn: nn.RNNBase, x: Tensor, h: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor, dict[tuple[int, int], list[Tensor]]]:
    """What the module computes for (T, B, features), and every hidden state in the order of processing."""
    hidden: Hidden = {}
    h_n, c_n = [], []
    ways = 1 + rnn.bidirectional
    for layer in range(rnn.num_layers):
        outs = []
        for way in range(ways):
            state = h[layer * ways + way], c[layer * ways + way]
            hidden[layer, way] = []
            for x_t in x.flip(0) if way else x:
                state = step(rnn.mode, x_t, *state, _weights(rnn, layer, way))
                hidden[layer, way].append(state[0])
            h_n.append(state[0])
            c_n.append(state[1])
            outs.append(torch.stack(hidden[layer, way][:: -1 if way else 1]))
        x = torch.cat(outs, -1)
    return x, torch.stack(h_n), torch.stack(c_n), hidden


def through_time(rnn: nn.RNNBase, x: Tensor, h: Tensor, c: Tensor, grads: tuple[Tensor, Tensor, Tensor]) -> Hidden:
    """d loss / d h_t by layer and direction, where `grads` arrive at the output and at the last states."""
    out, h_n, c_n, hidden = unrolled(rnn, x, h, c)
    loss = (out * grads[0]).sum() + (h_n * grads[1]).sum() + (c_n * grads[2]).sum()
    flat = [state for states in hidden.values() for state in states]
    found = iter(torch.autograd.grad(loss, flat, allow_unused=True))
    return {
        key: [torch.zeros_like(state) if (grad := next(found)) is None else grad for state in states]
        for key, states in hidden.items()
    }


def rms(tensors: Sequence[Tensor]) -> float:
    """The root mean square over all entries of several tensors."""
    return sqrt(fsum(x * x for t in tensors for x in entries(t)) / sum(t.numel() for t in tensors))


def _weights(rnn: nn.RNNBase, layer: int, way: int) -> dict[str, Tensor | None]:
    end = f"_l{layer}" + ("_reverse" if way else "")
    named = {f"b{kind}": getattr(rnn, f"bias_{kind}{end}", None) for kind in ("ih", "hh")}
    return named | {kind: getattr(rnn, f"weight_{kind}{end}", None) for kind in ("ih", "hh", "hr")}


def _given(weight: Tensor | None) -> Tensor:
    assert weight is not None
    return weight
