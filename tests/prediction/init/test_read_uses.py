"""How the weights of a model are used is read off a pass; where none can be made, it is said why."""

import pytest
import torch
from torch import Tensor, nn

from gradmedic.base.errors import GradmedicWarning
from gradmedic.prediction.init.read_uses import read


class Picky(nn.Module):
    """A model that refuses every input that could be guessed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        raise LookupError("the tokenizer has not been loaded")


def test_a_model_that_no_guess_fits_is_read_by_its_modules_and_the_reason_is_told() -> None:
    reading = read(Picky())
    assert "layer.weight" in reading.weights
    assert "an input of shape 2x4, a guess, fails: LookupError('the tokenizer has not been loaded')" in str(reading.how)


def test_a_model_without_a_guess_says_only_that_the_modules_tell() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))

    assert str(read(Held()).how) == "whose uses the order of the modules tells"


def test_an_example_input_that_cannot_be_read_is_warned_of_and_others_are_guessed() -> None:
    class Broken(nn.Sequential):
        @property
        def example_input_array(self) -> Tensor:
            raise OSError("no such file: example.pt")

    with pytest.warns(GradmedicWarning, match=r"Broken.example_input_array: OSError\('no such file: example.pt'\)"):
        reading = read(Broken(nn.Linear(4, 2)))
    assert "a pass of shape 2x4, a guess, has shown" in str(reading.how)
