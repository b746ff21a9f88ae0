"""The lens sees what it is asked for, and is not there otherwise."""

import threading
from typing import Any

import torch
from support.treating import mlp
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gradmedic.treatment.patient import FunctionCall, Patient
from gradmedic.treatment.patient.hooks.op_names import op_of

X = torch.linspace(-1, 1, 6).view(2, 3)


class Counting(TorchFunctionMode):
    """A mode of the script's."""

    count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_operations_are_called_as_in_recordings() -> None:
    seen = []

    def note(call: FunctionCall) -> object:
        seen.append(call.op)
        return call.proceed()

    patient = Patient()
    with patient.around_operations((), note):
        y = X.clone()
        y /= 2.0
        _ = (
            X / 2,
            X @ X.T,
            X - 1,
            X**2,
            X.clamp(min=0),
            1 / X,
            X.data,
            X.T,
            nn.functional.gelu(X),
            torch.linalg.norm(X),
        )
    wanted = ["clone", "div", "div", "T", "matmul", "sub", "pow", "clamp", "reciprocal", "data", "T", "gelu", "norm"]
    assert seen == wanted


def test_modules_are_known_by_their_paths() -> None:
    seen = []

    def note(call: FunctionCall) -> object:
        seen.append(call.module)
        return call.proceed()

    model = nn.ModuleDict({"body": mlp(3, 4, 2)})
    patient = Patient(model)
    with patient.around_operations(("linear", "relu"), note):
        model["body"](X)
    assert seen == ["body.0", "body.1", "body.2"]


def test_a_mode_of_the_script_may_be_entered_above_and_left_in_its_turn() -> None:
    patient = Patient()
    with Counting() as mode, patient.around_operations(("relu",), lambda call: call.operand):
        torch.relu(X)
        assert mode.count == 0, "what is not called nobody below sees"
    with patient.around_operations(("relu",), lambda call: call.operand), Counting() as mode:
        assert torch.relu(X) is X
        assert mode.count == 1
    assert torch._C._len_torch_function_stack() == 0


def test_transforms_of_functions_work_through_it() -> None:
    patient = Patient()

    def square(x: Tensor) -> Tensor:
        return torch.relu(x).square().sum()

    expected = torch.func.vmap(torch.func.grad(square))(X)
    with patient.around_operations(("square",), lambda call: call.proceed()):
        assert torch.equal(torch.func.vmap(torch.func.grad(square))(X), expected)


def test_other_threads_are_left_alone() -> None:
    patient, seen = Patient(), []
    with patient.around_operations(("relu",), lambda call: call.operand):
        worker = threading.Thread(target=lambda: seen.append(torch.relu(X)))
        worker.start()
        worker.join()
    assert torch.equal(seen[0], X.clamp(min=0))


def test_a_function_is_looked_up_by_what_it_is_and_not_by_its_name() -> None:
    assert op_of(torch.nn.functional.logsigmoid) == "log_sigmoid"
    assert op_of(Tensor.sigmoid_) == "sigmoid"
    assert op_of(torch.special.expit) == "sigmoid"


def test_training_that_is_only_looked_at_gives_the_same_weights_bit_for_bit() -> None:
    trained = []
    for looking in (False, True):
        model: Any = nn.Sequential(mlp(3, 8, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.LSTM(8, 4))
        torch.manual_seed(1)
        for layer in model[1:]:
            getattr(layer, "reset_parameters", lambda: None)()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        patient = Patient(model, optimizer)
        with patient.around_operations((), lambda call: call.proceed()) if looking else torch.enable_grad():
            for _ in range(5):
                optimizer.zero_grad()
                model(X)[0].square().sum().backward()
                optimizer.step()
        trained.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(p, q) for p, q in zip(*trained, strict=True))
