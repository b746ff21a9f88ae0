"""A remedy is given whole or not at all, and what goes wrong is told."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from support.treating import mlp, sgd, step
from torch import nn

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.treatment.remedies import treated

X, Y = torch.ones(2, 3), torch.zeros(2, 1)


class Told(list[tuple[str, str]]):
    """What a patient tells of remedies that it could not be given."""

    def __call__(self, name: str, reason: str) -> None:
        self.append((name, reason))


def test_a_remedy_that_fails_later_is_taken_back_whole_and_training_goes_on() -> None:
    told = Told()
    patient = Patient(tell=told)
    model = mlp(3, 4, 1)
    optimizer = sgd(model)

    @contextmanager
    def bad() -> Iterator[None]:
        def on_call(call: FunctionCall) -> object:
            return call.proceed() * 0

        def on_step(_: object) -> None:
            raise RemedyError("no luck")

        with patient.around_operations(("relu",), on_call), patient.on_gradients(on_step):
            yield

    with patient.course("bad", bad):
        step(model, optimizer, X, Y)
        assert told == [("bad", "no luck")]
        assert torch._C._len_torch_function_stack() == 0
        out = model(X)
        step(model, optimizer, X, Y)
    assert torch.equal(out, model[2](model[1](model[0](X)))) or out.abs().sum() > 0
    assert len(told) == 1


def test_an_act_that_breaks_leaves_the_call_as_the_script_made_it() -> None:
    told = Told()
    patient = Patient(tell=told)

    @contextmanager
    def clumsy() -> Iterator[None]:
        def on_call(call: FunctionCall) -> object:
            return call.on(torch.ones(5, 7)) @ torch.ones(3)

        with patient.around_operations(("relu",), on_call):
            yield

    with patient.course("clumsy", clumsy):
        assert torch.equal(torch.relu(-X), torch.zeros(2, 3))
    assert told[0][0] == "clumsy"
    assert "RuntimeError" in told[0][1]


def test_the_scripts_own_error_is_its_own() -> None:
    told = Told()
    patient = Patient(tell=told)

    @contextmanager
    def watching() -> Iterator[None]:
        with patient.around_operations(("matmul",), lambda call: call.proceed()):
            yield

    with patient.course("watching", watching), pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert "watching" not in [name for name, reason in told if "shapes" in reason]


def test_of_several_remedies_the_others_are_still_given() -> None:
    told = Told()
    items = (
        Item("swap-activation", {"sites": ["nonsense"]}),
        Item("nobody"),
        Item("clip-grad-norm", {"max_norm": 0.5}),
    )
    model = mlp(3, 4, 1)
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    optimizer = sgd(model, 1.0)
    with treated(Prescription(items), Patient(tell=told)):
        step(model, optimizer, X, torch.full((2, 1), 1e6))
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert float((after - before).norm()) == pytest.approx(0.5, rel=1e-4)
    assert [name for name, _ in told] == ["swap-activation", "nobody"]


def test_a_remedy_that_found_nothing_to_act_on_is_told_in_the_end() -> None:
    told = Told()
    with treated(Prescription((Item("swap-activation", {"sites": ["*/sigmoid"]}),)), Patient(tell=told)):
        nn.ReLU()(X)
        assert not told
    assert told == [("swap-activation", "this run had nothing that it applies to")]
