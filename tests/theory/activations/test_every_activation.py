"""What every activation promises. A new one is tested by being there."""

from inspect import getsource
from pathlib import Path

import pytest
import torch
from support.oracle import ACTIVATIONS
from torch import nn
from torch.nn import functional

from gradmedic.theory.activations import Activation, activation, all_activations
from gradmedic.theory.activations.panels import value_and_slope

EVERY = all_activations()
every_activation = pytest.mark.parametrize("cls", EVERY.values(), ids=EVERY.keys())
every_oracle = pytest.mark.parametrize("name", ACTIVATIONS)

MODULES = [(cls, module) for cls in EVERY.values() for module in cls.modules]
FUNCTIONS = [(cls, name) for cls in EVERY.values() for name in cls.functions]


def a_grid() -> torch.Tensor:
    return torch.linspace(-7, 7, 29, dtype=torch.float64)


def meant(name: str) -> Activation:
    """The activation of an oracle's row."""
    return activation(ACTIVATIONS[name]["spelled"])


@every_activation
def test_acts_on_each_element_and_keeps_shape_and_dtype(cls: type[Activation]) -> None:
    phi = cls().expected
    x = a_grid().float().reshape(1, 29)
    assert phi.f(x).shape == x.shape
    assert phi.f(x).dtype == x.dtype
    assert torch.equal(phi.f(x)[0, 3:5], phi.f(x[0, 3:5]))


@every_activation
def test_computes_by_no_function_that_a_script_may_have_wrapped(
    cls: type[Activation], monkeypatch: pytest.MonkeyPatch
) -> None:
    phi, grid = cls().expected, a_grid()
    expected = phi.f(grid)
    for name in cls.functions:
        if hasattr(functional, name):
            monkeypatch.setattr(functional, name, None)
    assert torch.equal(phi.f(grid), expected)


@every_activation
def test_can_be_told_apart_and_kept_in_a_cache(cls: type[Activation]) -> None:
    assert cls() == cls()
    assert hash(cls()) == hash(cls())
    assert cls().name == cls.name == next(name for name, known in EVERY.items() if known is cls)


@every_activation
def test_kinks_found_by_looking_are_those_it_tells(cls: type[Activation]) -> None:
    phi = cls().expected
    found = activation(lambda x: phi.f(x)).kinks
    assert set(found) <= set(phi.kinks)
    for kink in set(phi.kinks) - set(found):  # what it tells beyond is a bend without a jump
        around = torch.tensor([kink - 1e-9, kink + 1e-9], dtype=torch.float64)
        for left, right in (values.tolist() for values in value_and_slope(phi.f, around)):
            assert left == pytest.approx(right, abs=1e-7)


@pytest.mark.parametrize(("cls", "name"), MODULES)
def test_its_modules_are_those_of_torch(cls: type[Activation], name: str) -> None:
    known = getattr(nn, name)
    module = known(0.3, 0.7) if name == "Threshold" else known()
    phi = activation(module.eval())
    assert type(phi) is cls
    assert torch.equal(phi.f(a_grid()), module.double()(a_grid()))


@pytest.mark.parametrize(("cls", "name"), FUNCTIONS)
def test_its_functions_are_those_of_torch(cls: type[Activation], name: str) -> None:
    places = [place for place in (torch, functional, torch.special, torch.Tensor) if hasattr(place, name)]
    assert places
    for place in places:
        assert type(activation(getattr(place, name))) is cls


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls, name in FUNCTIONS if name not in ("prelu", "threshold", "threshold_")]
)
def test_its_functions_do_what_it_does(cls: type[Activation], name: str) -> None:
    function = next(getattr(p, name) for p in (functional, torch, torch.special) if hasattr(p, name))
    assert torch.equal(activation(function).f(a_grid()), function(a_grid()))


@every_oracle
def test_every_name_of_the_oracle_is_known(name: str) -> None:
    known = ACTIVATIONS[name]
    phi = meant(name)
    assert phi.kinks == tuple(known["kinks"])
    assert phi.dies.value == known["dies"]


@every_activation
def test_lives_in_a_file_with_its_family_only(cls: type[Activation]) -> None:
    file = Path(__import__(cls.__module__, fromlist=["_"]).__file__ or "")
    assert file.read_text(encoding="utf-8").count("(Activation):") <= 3
    assert getsource(cls).count("def f(") == 1
