"""Weights start at a size that ReLU keeps, wherever they are kept."""

from typing import Any

import pytest
import torch
from support.treating import given, mlp, sgd, step
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.base.errors import RemedyError
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.treatment.remedies.weights.init_he import InitHe

X = torch.ones(4, 64)


def size(weight: Tensor) -> float:
    """Standard deviation x root of the fan-in, of a weight of shape (out, in, ...)."""
    return float(weight.detach().std()) * float(weight[0].numel() ** 0.5)


def test_linear_and_convolution_get_their_gain_and_biases_zero() -> None:
    model: Any = nn.Sequential(nn.Conv2d(4, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 36, 64))
    with given(InitHe()):
        model(torch.ones(2, 4, 8, 8)).sum().backward()
        model(torch.ones(2, 4, 8, 8))
        assert size(model[0].weight) == pytest.approx(2**0.5, rel=0.1)
        assert size(model[3].weight) == pytest.approx(2**0.5, rel=0.1)
        assert not model[0].bias.any()


def test_raw_tensors_get_it_by_how_they_are_multiplied() -> None:
    tall = torch.zeros(400, 30, requires_grad=True)
    shift = torch.ones(30, requires_grad=True)
    with given(InitHe()):
        torch.relu(torch.ones(2, 400) @ tall + shift)
        assert float(tall.detach().std()) == pytest.approx((2 / 400) ** 0.5, rel=0.1)
        assert not shift.any()


def test_only_the_named_weights_are_touched() -> None:
    model = mlp(64, 64, 64)
    before = model[0].weight.detach().clone()
    with given(InitHe(("2.weight",)), model):
        model(X)
        assert torch.equal(model[0].weight, before)
        assert size(model[2].weight) == pytest.approx(2**0.5, rel=0.1)


def test_what_the_script_draws_afterwards_is_the_same() -> None:
    model = mlp(64, 64, 64)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with given(InitHe()):
        model(X)
        assert torch.equal(torch.rand(3), expected)


def test_the_same_seed_gives_the_same_weights() -> None:
    made = []
    for _ in range(2):
        model = mlp(64, 64, 64)
        with given(InitHe()):
            model(X)
            made.append(model[0].weight.detach().clone())
    assert torch.equal(*made)


def test_weights_that_training_has_moved_stay_and_others_are_put_back() -> None:
    model = mlp(64, 64, 64)
    optimizer = sgd(nn.ModuleList([model[0]]))
    start = model[0].weight.detach().clone(), model[2].weight.detach().clone()
    with given(InitHe(), model):
        step(model, optimizer, X, torch.zeros(4, 64))
        trained = model[0].weight.detach().clone()
    assert torch.equal(model[0].weight, trained)
    assert not torch.equal(model[0].weight, start[0])
    assert torch.equal(model[2].weight, start[1])


def test_a_script_that_initializes_after_a_first_look_is_given_it_all_the_same() -> None:
    model = mlp(64, 64, 64)
    with given(InitHe()):
        model(X)  # to find out a shape
        nn.init.constant_(model[0].weight, 5.0)
        model(X).sum().backward()
        assert size(model[0].weight) == pytest.approx(2**0.5, rel=0.1)


def test_weights_that_training_writes_are_not_taken_for_new_ones() -> None:
    weight = torch.ones(64, 64, requires_grad=True)
    with given(InitHe()):
        (X @ weight).sum().backward()
        with torch.no_grad():
            weight.fill_(3.0)
        X @ weight
        weight = (weight - 1.0).detach().requires_grad_()
        X @ weight
        assert torch.equal(weight.detach(), torch.full((64, 64), 2.0))


def test_a_layer_that_is_made_in_the_middle_of_training_gets_its_start() -> None:
    model = mlp(64, 64, 64)
    optimizer = sgd(model)
    with given(InitHe()):
        for _ in range(6):
            step(model, optimizer, X, torch.zeros(4, 64))
        assert torch._C._len_torch_function_stack() == 0, "nobody looks any longer"
        late = nn.Linear(64, 64)
        nn.init.constant_(late.weight, 5.0)
        late(X).sum().backward()
        assert size(late.weight) == pytest.approx(2**0.5, rel=0.1)


def test_lazy_layers_are_given_it_when_they_have_weights() -> None:
    model: Any = nn.LazyLinear(64)
    with given(InitHe()):
        model(X).sum().backward()
        assert size(model.weight) == pytest.approx(2**0.5, rel=0.1)


def test_embeddings_are_drawn_only_where_they_are_lost() -> None:
    fine, lost = nn.Embedding(100, 64), nn.Embedding(100, 64)
    nn.init.normal_(lost.weight, std=1e-5)
    before = fine.weight.detach().clone()
    with given(InitHe()):
        fine(torch.tensor([1]))
        lost(torch.tensor([1]))
        assert torch.equal(fine.weight, before)
        assert float(lost.weight.detach().std()) == pytest.approx(1 / 8, rel=0.1)


def test_a_scale_that_multiplies_entry_by_entry_is_left_alone() -> None:
    scale = nn.Parameter(torch.full((64,), 0.1))
    with given(InitHe()):
        scale * F.linear(X, torch.zeros(64, 64, requires_grad=True))
        assert torch.equal(scale.detach(), torch.full((64,), 0.1))


@pytest.mark.parametrize("way", ["state dict", "whole model"])
def test_loaded_weights_are_refused_and_nothing_is_touched(way: str, tmp_path: str) -> None:
    saved = mlp(64, 64, 64)
    torch.save(saved, f"{tmp_path}/model.pt")
    with given(InitHe()):
        model = mlp(64, 64, 64)
        if way == "state dict":
            model.load_state_dict(saved.state_dict())
        else:
            model = torch.load(f"{tmp_path}/model.pt", weights_only=False)
        with pytest.raises(RemedyError, match="were loaded"):
            model(X)
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), saved.parameters(), strict=True))


def test_a_model_that_transformers_has_loaded_is_refused_and_one_of_a_configuration_is_not() -> None:
    class PreTrainedModel(nn.Linear):
        name_or_path = ""

    model = PreTrainedModel(64, 64)
    with given(InitHe()):
        model(X)
    model.name_or_path = "someone/bert"
    with given(InitHe()), pytest.raises(RemedyError, match="were loaded"):
        model(X)


def test_a_loaded_teacher_that_is_only_asked_does_not_keep_the_student_from_it() -> None:
    with given(InitHe()):
        teacher, student = mlp(64, 64, 64), mlp(64, 64, 64)
        teacher.load_state_dict(student.state_dict())
        with torch.no_grad():
            teacher(X)
        student(X)
        assert size(student[0].weight) == pytest.approx(2**0.5, rel=0.1)


def test_a_trained_optimizer_is_refused() -> None:
    model = mlp(64, 64, 64)
    optimizer = sgd(model, momentum=0.9)
    step(model, optimizer, X, torch.zeros(4, 64))
    with pytest.raises(RemedyError, match="trained already"), Prescription((Item("init-he"),)).apply(model, optimizer):
        pass
