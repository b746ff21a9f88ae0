"""What every remedy promises. A new remedy is tested by being there."""

import ast
import inspect
import random
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.remedy_cases import CASES
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as module_hooks
from torch.optim import optimizer as optimizer_hooks

from gradmedic.base.errors import RemedyError
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.rules import all_rules
from gradmedic.recording.records import Recording
from gradmedic.render.manual import remedy_page as manual
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.prescription import Prescription
from gradmedic.treatment.remedies import Alters, Remedy, all_remedies, remedy_from

SECTIONS = ["What it does", "When it helps", "How the dose is chosen", "References"]
REMEDIES = all_remedies()
RULES = all_rules()
NAMES = ("weights", "parameters", "modules")
"""Fields that say where a remedy acts."""

every_remedy = pytest.mark.parametrize("remedy", REMEDIES.values(), ids=REMEDIES.keys())


def sick_cases(remedy: type[Remedy]) -> Iterator[tuple[Finding, Recording]]:
    """The findings of the rules that a remedy names, in the cases that the rules are tested with, and in some more."""
    for rule in remedy.cures:
        for case in (*RULES[rule].SICK, *CASES):
            yield from ((finding, case) for finding in RULES[rule]().check(case))


def doses(remedy: type[Remedy]) -> list[Remedy]:
    return [dose for finding, case in sick_cases(remedy) for dose in remedy.doses(finding, case)]


def everywhere(remedy: Remedy) -> Remedy:
    """The same dose, at all places where it may act."""
    held: Any = remedy
    spread: Remedy = replace(held, **{f.name: ("*",) for f in fields(held) if f.name in NAMES})
    return spread


class Net(nn.Module):
    """Small, but with a bit of everything that remedies look for."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Sigmoid(), nn.Dropout(0.2))
        self.rnn = nn.LSTM(8, 8, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.rnn(self.body(x).unsqueeze(1))
        return self.out(torch.relu(h[:, -1]))  # type: ignore[no-any-return]


def a_patient() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = Net()
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def forward_and_back(model: nn.Module) -> None:
    x = torch.linspace(-1, 1, 24).view(4, 6)
    F.cross_entropy(model(x), torch.tensor([0, 1, 2, 0])).backward()


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """All of model, optimizer and random state that a remedy could leave changed."""
    return {
        "model": deepcopy(model.state_dict()),
        "optimizer": deepcopy(optimizer.state_dict()),
        "class": type(optimizer),
        "defaults": dict(optimizer.defaults),
        "own": set(vars(optimizer)),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
    }


def surroundings() -> list[Any]:
    """What torch looks like to the rest of the program."""
    hooks = (
        module_hooks._global_forward_hooks,
        module_hooks._global_forward_pre_hooks,
        module_hooks._global_parameter_registration_hooks,
        optimizer_hooks._global_optimizer_pre_hooks,
        optimizer_hooks._global_optimizer_post_hooks,
    )
    owners: tuple[Any, ...] = (torch, torch.autograd, Tensor, F, nn.Module, torch.autograd.Function, torch.autocast)
    optimizers = (torch.optim.Optimizer, torch.optim.SGD)
    names = [{key: value for key, value in vars(o).items() if not key.startswith("__")} for o in (*owners, *optimizers)]
    return [*(len(held) for held in hooks), torch._C._len_torch_function_stack(), *names]


def same(mine: Any, theirs: Any) -> bool:
    """Equal, tensors bit for bit."""
    if isinstance(mine, Tensor):
        return torch.equal(mine, theirs)
    if isinstance(mine, dict):
        return mine.keys() == theirs.keys() and all(same(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list | tuple):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    return bool(mine == theirs)


@every_remedy
def test_proposes_doses_for_the_cases_of_its_rules(remedy: type[Remedy]) -> None:
    assert set(remedy.cures) <= set(RULES)
    assert set(remedy.mends) <= set(remedy.cures)
    assert doses(remedy)
    assert all(type(dose) is remedy for dose in doses(remedy))


@every_remedy
def test_proposes_nothing_twice_for_one_finding(remedy: type[Remedy]) -> None:
    for finding, case in sick_cases(remedy):
        proposed = list(remedy.doses(finding, case))
        assert len(set(proposed)) == len(proposed)


@every_remedy
def test_is_taken_back_whole(remedy: type[Remedy]) -> None:
    model, optimizer = a_patient()
    outside, inside = surroundings(), state(model, optimizer)
    with everywhere(doses(remedy)[0]).given_to(Patient(model, optimizer)):
        pass
    assert same(state(model, optimizer), inside)
    assert surroundings() == outside


@every_remedy
def test_is_taken_back_whole_after_a_forward_and_a_backward_pass(remedy: type[Remedy]) -> None:
    model, optimizer = a_patient()
    forward_and_back(model)
    expected = state(model, optimizer)  # running averages and the draws of dropout are the model's own
    model, optimizer = a_patient()
    outside = surroundings()
    with Prescription((everywhere(doses(remedy)[0]).item,)).apply(model, optimizer), suppress(RemedyError):
        forward_and_back(model)
    assert surroundings() == outside
    after = state(model, optimizer)
    for averages in (after, expected):
        averages["model"] = {key: one for key, one in averages["model"].items() if "running" not in key}
    assert same(after, expected)


@every_remedy
def test_is_taken_back_when_training_crashes(remedy: type[Remedy]) -> None:
    model, optimizer = a_patient()
    outside, inside = surroundings(), state(model, optimizer)
    with pytest.raises(ZeroDivisionError), everywhere(doses(remedy)[0]).given_to(Patient(model, optimizer)):
        raise ZeroDivisionError
    assert same(state(model, optimizer), inside)
    assert surroundings() == outside


@every_remedy
def test_leaves_no_trace_in_torch_and_in_the_optimizer_after_training(remedy: type[Remedy]) -> None:
    model, optimizer = a_patient()
    outside, groups = surroundings(), deepcopy(optimizer.state_dict()["param_groups"])
    with suppress(RemedyError), everywhere(doses(remedy)[0]).given_to(Patient(model, optimizer)):
        for _ in range(3):
            optimizer.zero_grad()
            forward_and_back(model)
            optimizer.step()
    assert surroundings() == outside
    assert optimizer.state_dict()["param_groups"] == groups
    assert type(optimizer) is torch.optim.SGD
    assert all(torch.isfinite(p).all() for p in model.parameters())


@every_remedy
def test_every_dose_can_be_written_to_a_file_and_read(remedy: type[Remedy]) -> None:
    for dose in doses(remedy):
        written = Prescription((dose.item,)).to_toml()
        assert remedy_from(Prescription.from_toml(written).items[0]) == dose


@every_remedy
def test_code_is_python(remedy: type[Remedy]) -> None:
    for dose in doses(remedy):
        assert ast.parse(dose.code()).body


@every_remedy
def test_is_a_frozen_dataclass_that_says_how_deep_it_cuts(remedy: type[Remedy]) -> None:
    assert is_dataclass(remedy)
    assert remedy.__dataclass_params__.frozen
    assert isinstance(remedy.alters, Alters)


@every_remedy
def test_is_named_like_its_file(remedy: type[Remedy]) -> None:
    assert remedy.name == Path(inspect.getfile(remedy)).stem.replace("_", "-")


@every_remedy
def test_page_has_all_sections_and_its_code_parses(remedy: type[Remedy]) -> None:
    page = inspect.getdoc(remedy) or ""
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == SECTIONS
    for block in page.split("```python\n")[1:]:
        ast.parse(block.split("```")[0])


@every_remedy
def test_the_manual_tells_what_each_field_of_the_dose_is(remedy: type[Remedy]) -> None:
    told = manual.page(remedy.name)
    assert all(rule in told for rule in remedy.cures)
    bullets = [line for line in told.splitlines() if line.startswith("- `")]
    held: Any = remedy
    assert len(bullets) == len(fields(held))
    assert all(len(line.split("` ", 1)[1].split()) >= 3 for line in bullets)


@every_remedy
def test_the_page_in_docs_is_up_to_date(remedy: type[Remedy]) -> None:
    file = Path(__file__).parents[3] / "docs" / "remedies" / f"{remedy.name}.md"
    assert file.read_text(encoding="utf-8") == manual.page(remedy.name), "run `make docs`"
