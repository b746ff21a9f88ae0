"""What no optimizer holds is given to one."""

from typing import Any

import torch
from support.treating import given, sgd, step
from torch import Tensor, nn

from gradmedic.treatment.remedies.update.hold_parameters import HoldParameters


class Listed(nn.Module):
    """Keeps its layers where parameters() does not see them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
        self.out = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).tanh()
        return self.out(x)  # type: ignore[no-any-return]


def test_layers_in_a_plain_list_are_trained_and_taken_out_again() -> None:
    model: Any = Listed()
    optimizer = sgd(model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    before = [layer.weight.detach().clone() for layer in model.layers]
    with given(HoldParameters(("layers[*].weight",))):
        for _ in range(3):
            step(model, optimizer, torch.ones(2, 3), torch.ones(2, 1))
            schedule.step()
    assert all(not torch.equal(layer.weight, was) for layer, was in zip(model.layers, before, strict=True))
    assert [len(group["params"]) for group in optimizer.param_groups] == [2]
    assert set(optimizer.state) <= set(model.parameters())


def test_the_first_step_moves_them_already() -> None:
    model: Any = Listed()
    optimizer = sgd(model)
    before = model.layers[0].weight.detach().clone()
    with given(HoldParameters(("layers[0].*",)), model, optimizer):
        step(model, optimizer, torch.ones(2, 3), torch.ones(2, 1))
    assert not torch.equal(model.layers[0].weight, before)
