"""What models are fed with: batches, shapes, and the words that a command line has for them."""

from typing import Any

import pytest
import torch
from torch import nn

from gradmedic.base.errors import GradmedicError, ProbeError, SettingsError
from gradmedic.prediction.model_input import feed_from, feed_of, model_of


def test_a_batch_is_a_tensor_or_several_or_keywords() -> None:
    x, y = torch.ones(2, 3), torch.zeros(2, dtype=torch.long)
    assert feed_of(x).args == (x,)
    assert feed_of((x, y)).args == (x, y)
    assert feed_of({"x": x}).kwargs == {"x": x}


def test_a_shape_stands_for_a_batch() -> None:
    (x,) = feed_of((4, 3, 8, 8)).tensors
    assert (tuple(x.shape), x.is_meta) == ((4, 3, 8, 8), True)
    assert [tuple(x.shape) for x in feed_of([(4, 3), (4, 5)]).tensors] == [(4, 3), (4, 5)]


@pytest.mark.parametrize("batch", [None, "4x3", (), (4, 0), 3.0])
def test_anything_else_is_refused(batch: Any) -> None:
    with pytest.raises(ProbeError, match="a batch is a tensor"):
        feed_of(batch)


def test_words_tell_of_shapes_types_and_keywords() -> None:
    feed = feed_from(["8x3x4", "int:8x16", "mask=bool:8x16"])
    assert [(tuple(x.shape), x.dtype) for x in feed.args] == [((8, 3, 4), torch.float32), ((8, 16), torch.long)]
    assert feed.kwargs is not None
    assert feed.kwargs["mask"].dtype == torch.bool


@pytest.mark.parametrize("word", ["8x3x", "8*3", "complex:8x3", "x", "8x-1", "mask="])
def test_other_words_are_refused_in_one_sentence(word: str) -> None:
    with pytest.raises(SettingsError, match="is no input: a shape like 64x3x32x32"):
        feed_from([word])


def test_a_model_is_taken_as_it_is_or_made() -> None:
    model = nn.Linear(2, 2)
    assert model_of("a:b", model) is model
    assert isinstance(model_of("a:b", lambda: nn.Linear(2, 2)), nn.Linear)


@pytest.mark.parametrize(
    ("found", "words"), [(3, "is no model"), (nn.Linear, "without arguments"), (dict, "is no model")]
)
def test_what_is_no_model_is_refused(found: object, words: str) -> None:
    with pytest.raises(GradmedicError, match=words):
        model_of("a:b", found)
