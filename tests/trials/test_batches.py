"""What is trained on: one batch, or batches as a loader brings them."""

from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from gradmedic.base.errors import ProbeError
from gradmedic.trials.batches import endless, is_loader

X, Y = torch.zeros(4, 2), torch.zeros(4)


@pytest.mark.parametrize("batch", [X, (X, Y), [X, Y], {"x": X}], ids=["tensor", "tuple", "list", "mapping"])
def test_a_batch_is_trained_on_again_and_again(batch: object) -> None:
    assert not is_loader(batch)
    assert all(one is batch for one in islice(endless(batch), 3))


@pytest.mark.parametrize(
    "loader", [[(X, Y), (Y, X)], DataLoader(TensorDataset(X, Y), batch_size=2)], ids=["list", "DataLoader"]
)
def test_a_loader_begins_again_when_it_is_through(loader: object) -> None:
    assert is_loader(loader)
    assert len(list(islice(endless(loader), 5))) == 5


def test_what_can_be_gone_through_only_once_is_refused() -> None:
    once = endless(iter([(X, Y)]))
    next(once)
    with pytest.raises(ProbeError, match="only once"):
        next(once)
