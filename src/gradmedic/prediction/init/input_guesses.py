"""What a model may be fed with, guessed from what it says of itself and from its first layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gradmedic.base.interruption import let_through
from gradmedic.base.warn import warn_of
from gradmedic.prediction.model_input import Feed

SIDES = {1: (64, 1024, 16000), 2: (32, 28, 64, 96, 224), 3: (16, 32)}
"""Lengths and heights that are tried, by the dimensions of the first convolution."""
PAIR, LENGTH = 2, 8
"""Samples, and steps of a sequence."""


def guesses(model: nn.Module) -> Iterator[Feed]:
    """Shapes to try, the likeliest first; all tensors are on the meta device."""
    for feed in (*_declared(model), *_by_first_layer(model)):
        yield feed.mapped(lambda x: x.to("meta"))


def _declared(model: nn.Module) -> Iterator[Feed]:
    """What Lightning, transformers and timm let a model say."""
    for name in ("example_input_array", "dummy_inputs"):
        try:
            given = getattr(model, name, None)
        except Exception as error:
            let_through(error)
            warn_of(f"gradmedic cannot read {type(model).__name__}.{name}: {error!r}. Other inputs are guessed.")
            continue
        if isinstance(given, Tensor):
            yield Feed((given,))
        elif isinstance(given, Mapping):
            yield Feed((), dict(given))
        elif isinstance(given, tuple):
            yield Feed(given)
    for name in ("pretrained_cfg", "default_cfg"):
        size = _size_in(getattr(model, name, None))
        if size:
            yield _shaped(PAIR, *size)


def _size_in(config: Any) -> tuple[int, ...]:
    size = config.get("input_size") if isinstance(config, Mapping) else getattr(config, "input_size", None)
    return tuple(size) if isinstance(size, tuple | list) and all(isinstance(n, int) for n in size) else ()


def _by_first_layer(model: nn.Module) -> Iterator[Feed]:
    first = next((m for m in model.modules() if next(m.parameters(recurse=False), None) is not None), None)
    if isinstance(first, nn.Linear):
        yield from (_shaped(PAIR, first.in_features), _shaped(PAIR, LENGTH, first.in_features))
    elif isinstance(first, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        dims = len(first.kernel_size)
        yield from (_shaped(PAIR, first.in_channels, *[side] * dims) for side in SIDES[dims])
    elif isinstance(first, nn.Embedding):
        yield Feed((torch.zeros(PAIR, LENGTH, dtype=torch.long, device="meta"),))
    elif isinstance(first, nn.RNNBase):
        yield _shaped(PAIR, LENGTH, first.input_size)
    elif isinstance(first, nn.MultiheadAttention):
        yield _shaped(PAIR, LENGTH, first.embed_dim)
    elif isinstance(first, nn.LayerNorm):
        yield from (_shaped(PAIR, *first.normalized_shape), _shaped(PAIR, LENGTH, *first.normalized_shape))


def _shaped(*shape: int) -> Feed:
    return Feed((torch.empty(shape, device="meta"),))
