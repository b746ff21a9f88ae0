"""Steps pass the gradient on and keep their values."""

import torch
from support.treating import given

from gradmedic.treatment.remedies.model.straight_through import StraightThrough


def test_the_value_is_that_of_the_step_and_the_gradient_passes() -> None:
    x = torch.tensor([0.4, 1.6], requires_grad=True)
    with given(StraightThrough(("*/round", "*/sign"))):
        (3 * torch.round(x) + x.sign()).sum().backward()
        assert torch.equal(torch.round(x), torch.tensor([0.0, 2.0]))
    assert x.grad is not None
    assert torch.equal(x.grad, torch.tensor([4.0, 4.0]))
