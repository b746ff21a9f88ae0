"""What overflows a narrow type is computed in a wide one."""

import torch
from support.treating import given
from torch import nn

from gradmedic.treatment.remedies.model.use_bfloat16 import UseBfloat16
from gradmedic.treatment.remedies.model.use_float32 import UseFloat32


def test_one_operation_is_computed_wide_and_hands_on_its_result() -> None:
    error = torch.full((4,), 300.0, dtype=torch.float16)
    assert torch.isinf(error * error).all()
    with given(UseFloat32(("*/mul",))):
        square = error * error
    assert square.dtype is torch.float32
    assert torch.equal(square, torch.full((4,), 9e4))


def test_nothing_becomes_narrow_anywhere() -> None:
    with given(UseFloat32()):
        model = nn.Linear(2, 2).half()
        other = nn.Linear(2, 2).to(torch.bfloat16)
        made = [torch.ones(2, dtype=torch.float16), torch.ones(2).half(), torch.ones(2).to(torch.float16)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
    kinds = [*model.parameters(), *other.parameters(), *made, product]
    assert {tensor.dtype for tensor in kinds} == {torch.float32}
    assert nn.Linear(2, 2).half().weight.dtype is torch.float16


def test_float16_becomes_bfloat16() -> None:
    with given(UseBfloat16()):
        made = [torch.ones(2).half(), torch.ones(2).to(torch.float16), nn.Linear(2, 2).half().weight]
        with torch.autocast("cpu", dtype=torch.float16):
            made.append(torch.ones(2, 2) @ torch.ones(2, 2))
    assert {tensor.dtype for tensor in made} == {torch.bfloat16}
