"""The lines that a remedy gives to keep run as they are, and do what the remedy does."""

import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.treating import given, mlp, sgd
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from treatment.remedies.test_remedies import doses, every_remedy

from gradmedic.treatment.prescription import Item
from gradmedic.treatment.remedies import Remedy, remedy_from

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
Y = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def a_script() -> dict[str, Any]:
    """The names that a training script may have where the lines are pasted."""
    model = mlp(6, 8, 3)
    loss = F.mse_loss(model(X), Y)
    loss.backward(retain_graph=True)
    return {
        "torch": torch,
        "model": model,
        "optimizer": sgd(model, momentum=0.9),
        "x": X,
        "y": Y,
        "loss": loss,
        "loss_fn": F.mse_loss,
        "output": model(X),
        "target": Y,
        "layer": model[0],
        "block": nn.Linear(6, 6),
        "encoder": model[0],
        "features": X,
        "width": 8,
        "scores": Y,
        "z": X,
        "x_train": X,
        "x_test": X,
        "y_train": Y,
        "self": SimpleNamespace(out=model),
    }


@every_remedy
def test_the_lines_run_where_they_are_pasted(remedy: type[Remedy]) -> None:
    lines = {dose.code() for dose in doses(remedy)}
    for code in sorted(lines):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no GPU
            exec(code, a_script())
    assert lines


def train(
    model: nn.Module, optimizer: Optimizer, between: Callable[[], object], behind: Callable[[], object]
) -> list[Tensor]:
    """Weights after five steps, with something done between backward pass and step, and something behind it."""
    for _ in range(5):
        optimizer.zero_grad()
        F.mse_loss(model(X), 30 * Y).backward()
        between()
        optimizer.step()
        behind()
    return [p.detach().clone() for p in model.parameters()]


def by_place(code: str) -> dict[str, list[str]]:
    """The lines by where their comments want them: once, between backward pass and step, or behind the step."""
    parts: dict[str, list[str]] = {"once": [], "between": [], "behind": [], "before": []}
    place = "once"
    for line in code.splitlines():
        if line.startswith("# after optimizer.step()"):
            place = "behind"
        elif line.startswith("#") and "before optimizer.step()" in line:
            place = "between"
        elif line.startswith("#") and "before loss.backward()" in line:
            place = "before"
        parts[place].append(line)
    return parts


UPDATES = [
    Item("clip-grad-norm", {"max_norm": 0.5}),
    Item("clip-grad-value", {"limit": 0.1}),
    Item("clip-units", {"ratio": 0.02}),
    Item("clip-adaptive"),
    Item("clip-weights", {"limit": 0.2}),
    Item("learning-rate", {"factor": 0.2}),
    Item("weight-decay", {"rate": 0.1}),
    Item("warm-up", {"steps": 3}),
    Item("decay-learning-rate", {"half_life": 2}),
    Item("bound-learning-rate", {"most": 0.03}),
    Item("change-optimizer", {"rate": 0.01}),
    Item("zero-gradients"),
]


@pytest.mark.parametrize("item", UPDATES, ids=lambda item: item.remedy)
def test_lines_and_remedy_train_to_the_same_weights(item: Item) -> None:
    remedy = remedy_from(item)
    model = mlp(6, 8, 3)
    optimizer = sgd(model)
    with given(remedy, model, optimizer):
        treated = train(model, optimizer, lambda: None, lambda: None)
    script = {**a_script(), "model": mlp(6, 8, 3)}
    script["optimizer"] = sgd(script["model"])
    parts = by_place(remedy.code())
    exec("\n".join(parts["once"]), script)
    between, behind = (lambda place=place: exec("\n".join(parts[place]), script) for place in ("between", "behind"))
    pasted = train(script["model"], script["optimizer"], between, behind)
    assert all(torch.allclose(p, q, rtol=1e-4, atol=1e-6) for p, q in zip(treated, pasted, strict=True))


def a_start(remedy: Remedy, pasted: bool) -> Sequence[float]:
    """The sizes of weights and biases at the first use."""
    model = mlp(200, 200, 200)
    nn.init.constant_(model[0].bias, 5.0)
    if pasted:
        exec(remedy.code(), {"torch": torch, "model": model, "x": torch.ones(4, 200)})
        return [float(p.detach().square().mean().sqrt()) for p in model.parameters()]
    with given(remedy, model):
        model(torch.ones(4, 200))
        return [float(p.detach().square().mean().sqrt()) for p in model.parameters()]


STARTS = [
    Item("init-he"),
    Item("init-xavier"),
    Item("init-critical"),
    Item("init-critical", {"activation": "tanh"}),
    Item("zero-biases"),
    Item("scale-down", {"weights": ["2.weight"]}),
    Item("init-lsuv"),
]


@pytest.mark.parametrize("item", STARTS, ids=lambda item: item.remedy)
def test_lines_and_remedy_start_weights_at_the_same_size(item: Item) -> None:
    remedy = remedy_from(item)
    assert a_start(remedy, pasted=True) == pytest.approx(a_start(remedy, pasted=False), rel=0.1)
