"""Calls of recurrent modules: what is kept of them, and how several are laid side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

from gradmedic.base.storage import is_readable
from gradmedic.probe.recurrent.batch_rows import Rows, rows_of
from gradmedic.probe.recurrent.replay import LayerWeights, RecurrentPass
from gradmedic.probe.torch_internals import sequence_of, version_of

MOST_ROWS = 4096


@dataclass
class RecurrentCall:
    """One call of a recurrent module; holds copies, and nothing of the user's graph."""

    module: nn.RNNBase
    rows: Rows
    x: Tensor
    states: tuple[Tensor, ...]
    weights: list[Tensor]
    sequence: int
    state_sequence: int
    versions: list[int | None] = field(default_factory=list)
    grads: dict[str, Tensor] = field(default_factory=dict)
    handles: list[RemovableHandle] = field(default_factory=list)
    task: int = -1
    waited: int = 0


def call_of(module: nn.RNNBase, x: Any, entering: list[Tensor], out: Tensor, state: Tensor) -> RecurrentCall:
    """Keep what a replay of this call will need."""
    rows = rows_of(x, module.batch_first)
    weights = [w.detach() for layer in module.all_weights for w in layer]
    if not all(map(is_readable, weights)):
        raise TypeError("its weights are distributed, or not in memory")
    assert out.grad_fn is not None
    return RecurrentCall(
        module,
        rows,
        rows.steps(x.data if isinstance(x, PackedSequence) else x),
        tuple(rows.states(t) for t in entering),
        weights,
        sequence_of(out.grad_fn),
        -1 if state.grad_fn is None else sequence_of(state.grad_fn),
        [version_of(w) for w in weights],
    )


def tensors(*values: Any) -> list[Tensor]:
    """The tensors of an output or a state, in order: `out, h` or `out, (h, c)` or `h` or `(h, c)`."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, PackedSequence):
            found.append(value.data)
        else:
            found += value if isinstance(value, tuple | list) else [value]
    return found


def length(x: Any, batch_first: bool) -> int:
    """How many steps an input has."""
    if isinstance(x, PackedSequence):
        return len(x.batch_sizes)
    return int(x.shape[1 if batch_first and x.dim() == 3 else 0])


def descends(node: Any, sequences: tuple[int, int], reach: int = 4) -> bool:
    """Whether one of these nodes is at most so many operations away: states may be masked or reshaped."""
    if node is None or sequence_of(node) < min(sequences):
        return False
    if sequence_of(node) in sequences:
        return True
    return reach > 0 and any(descends(child, sequences, reach - 1) for child, _ in node.next_functions)


def passage(chain: Sequence[RecurrentCall]) -> RecurrentPass:
    """The calls of a chain side by side, of each as many rows as are affordable."""
    first, module = chain[0], chain[0].module
    rows = slice(0, max(1, MOST_ROWS // len(chain)))

    def joined(parts: Sequence[Tensor | None], like: tuple[int, int]) -> Tensor:
        empty = first.x.new_zeros(like[0], first.x.shape[1], like[1])
        return torch.cat([(empty if part is None else part)[:, rows] for part in parts], 1).to(_dtype(first))

    each = module.num_layers * (1 + module.bidirectional)
    state, cell = (each, module.proj_size or module.hidden_size), (each, module.hidden_size)
    out = (first.x.shape[0], (1 + module.bidirectional) * state[1])
    return RecurrentPass(
        joined([call.x for call in chain], (first.x.shape[0], first.x.shape[2])),
        joined([call.states[0] if call.states else None for call in chain], state),
        joined([call.states[1] if call.states[1:] else None for call in chain], cell),
        joined([call.grads.get("out") for call in chain], out),
        joined([call.grads.get("h") for call in chain], state),
        joined([call.grads.get("c") for call in chain], cell),
        None if first.rows.alive is None else first.rows.alive[:, rows],
        len(chain),
    )


def weights_of(call: RecurrentCall) -> list[list[LayerWeights]]:
    """The weights by layer and direction, in the precision that they are replayed in."""
    module, flat = call.module, [w.to(_dtype(call)) for w in call.weights]
    ways = 1 + module.bidirectional
    each = len(flat) // (module.num_layers * ways)
    sets = [_named(flat[i : i + each], module.bias) for i in range(0, len(flat), each)]
    return [sets[i : i + ways] for i in range(0, len(sets), ways)]


def _named(flat: Sequence[Tensor], bias: bool) -> LayerWeights:
    biases = flat[2:4] if bias else [None, None]
    return LayerWeights(flat[0], flat[1], biases[0], biases[1], *flat[4 if bias else 2 :])


def _dtype(call: RecurrentCall) -> torch.dtype:
    return torch.float64 if call.weights[0].dtype is torch.float64 else torch.float32
