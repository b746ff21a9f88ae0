"""The verb: what is run, in which order, and what is said of it; on trials that nothing runs, and on a small net."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.arms import FakeRunner, falling
from torch import nn
from torch.nn import functional as F

import gradmedic as gm
from gradmedic.base.errors import ActivationError, ProbeError, SettingsError
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch
from gradmedic.render.comparison.screen import told as line
from gradmedic.trials import runners
from gradmedic.trials.comparison.comparison import RIGHT, SCRIPT
from gradmedic.trials.comparison.tournament import Tournament
from gradmedic.trials.trial import RunEnd, Trial
from gradmedic.verbs.compare import compare, compare_script

World = Callable[[Trial], Sequence[float] | RunEnd]
BOTH = ["relu", "gelu"]

NETWORK = sketch(
    [
        site("fc", "linear", {"grad_rms": 1e-3}, parameter="fc.weight", module="fc", module_type="Linear"),
        site("act", "sigmoid", {"saturated": 0.3}, module="act"),
        site("out", "linear", {"grad_rms": 1e-1}, tail=True),
    ],
    [parameter("fc.weight", shape=(4, 4), module_type="Linear")],
    losses=falling(2.0, 1.0),
)


def swapped_to(trial: Trial) -> str:
    """The activation of a trial, and its start."""
    words = [str(item.dose.get("to") or item.remedy) for item in trial.prescription.items]
    return " ".join(words) or "as it is"


def world(**ends: float) -> World:
    """Where the loss ends for each activation, 1 for all others; seeds differ a little."""

    def losses(trial: Trial) -> Sequence[float]:
        name = swapped_to(trial).split()[0]
        return falling(2.0, ends.get(name, 1.0) * (1 + 0.01 * trial.seed_shift))

    return losses


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake runs of a network with one sigmoid, for which ReLU is best."""
    monkeypatch.setattr(runners, "all_runners", lambda: {"local": FakeRunner})
    monkeypatch.setattr(FakeRunner, "recording", NETWORK)
    monkeypatch.setattr(FakeRunner, "world", staticmethod(world(relu=0.1, gelu=0.3)))
    ran.clear()


ran: list[Trial] = []


def noted(what: World) -> World:
    def losses(trial: Trial) -> Sequence[float] | RunEnd:
        ran.append(trial)
        return what(trial)

    return losses


def test_the_best_activation_is_found_and_set_against_the_script_as_it_is() -> None:
    found = compare_script("train.py", activations=BOTH)
    assert [(one.entrant.activation, one.place) for one in found.standings] == [
        ("relu", 1),
        ("gelu", 2),
        ("sigmoid", 3),
    ]
    assert found.control.entrant.start == SCRIPT
    assert found.seeds == (0, 1, 2)
    assert str(found.verdict).startswith("relu trains best")
    assert found.prescription.items[0].dose["to"] == "relu"


def test_whole_rounds_are_run_seed_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "world", staticmethod(noted(world())))
    compare_script("train.py", activations=BOTH, seeds=2)
    # the control with the script's own seeds; its activation swapped for itself, as a measure of time; the others
    told = [(swapped_to(trial), trial.seed_shift) for trial in ran]
    first = ["as it is", "sigmoid", "relu init-critical", "gelu init-critical"]
    assert told == [(name, seed) for seed in (0, 1) for name in first]
    assert all(trial.observed for trial in ran)


@pytest.mark.parametrize(("init", "starts"), [("right", {RIGHT}), ("script", {SCRIPT}), ("both", {SCRIPT, RIGHT})])
def test_weights_start_as_is_asked_for(init: str, starts: set[str]) -> None:
    found = compare_script("train.py", activations=BOTH, init=init)
    assert {one.entrant.start for one in found.standings if not one.entrant.is_control} == starts


def test_the_usual_activations_are_compared_unless_others_are_named() -> None:
    found = compare_script("train.py")
    assert len(found.standings) == 10  # sigmoid as it is and with its right start, eight others
    assert sum(one.entrant.activation == "sigmoid" for one in found.standings) == 2


@pytest.mark.parametrize("when", range(1, 9))
def test_an_interrupted_comparison_keeps_what_it_knows(when: int, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100))

    def interrupted(trial: Trial) -> Sequence[float] | RunEnd:
        if next(count) == when:
            raise KeyboardInterrupt
        return world(relu=0.1)(trial)

    monkeypatch.setattr(FakeRunner, "world", staticmethod(interrupted))
    found = compare_script("train.py", activations=BOTH, seeds=3)
    assert found.interrupted
    assert found.trials == when
    assert len(found.standings) == 1 + (when > 2) + (when > 3)  # the control, the measure of time, relu, gelu
    assert str(found)


def test_the_same_command_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "world", staticmethod(noted(world(relu=0.1))))
    first = compare_script("train.py", activations=BOTH, output=tmp_path / "c.json")
    ran.clear()
    again = compare_script("train.py", activations=BOTH, output=tmp_path / "c.json")
    assert len(ran) == 1  # the control
    assert again.standings == first.standings
    assert again.best.checkup.looks


def test_a_long_script_is_compared_over_its_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "seconds", 60.0)
    found = compare_script("train.py", activations=BOTH, minutes=2, seeds=2)
    assert found.steps is not None
    assert 40 <= found.steps < 100
    assert {run.steps for one in found.standings for run in one.runs} == {found.steps}


def test_steps_that_the_user_asks_for_are_run() -> None:
    found = compare_script("train.py", activations=BOTH, steps=50)
    assert {run.steps for one in found.standings for run in one.runs} == {50}


def test_one_is_told_after_every_run() -> None:
    told: list[tuple[int, int]] = []
    lines: list[str] = []

    def tell(contest: Tournament) -> None:
        told.append((contest.done, contest.wanted))
        lines.append(line(contest, "en"))

    compare_script("t.py", activations=BOTH, seeds=2, told=tell)
    assert told == [(at, 8) for at in range(2, 9)]
    assert lines[-1].startswith("gradmedic compare · 8 of 8 runs · 0:00/10:00 · best so far: relu, 0.1")


def test_each_is_judged_with_its_best_learning_rate_on_seeds_that_did_not_choose_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fickle(trial: Trial) -> Sequence[float]:
        rate = next((float(item.dose["factor"]) for item in trial.prescription.items if "factor" in item.dose), 1.0)  # type: ignore[arg-type]
        if swapped_to(trial).startswith("gelu"):  # lucky with the seed that chooses
            return falling(2.0, 0.001 if trial.seed_shift == 0 and rate == 0.1 else 1.1 + 0.01 * trial.seed_shift)
        ends = {1.0: float("inf"), 0.3: 0.2, 0.1: 0.5}
        return falling(2.0, ends[rate]) if swapped_to(trial).startswith("relu") else falling(2.0, 1.0)

    monkeypatch.setattr(FakeRunner, "world", staticmethod(noted(fickle)))
    found = compare_script("train.py", activations=BOTH, seeds=2, rates=(1.0, 0.3, 0.1))
    told = {one.entrant.activation: (one.entrant.rate, one.place) for one in found.standings if one.entrant.rate != 1.0}
    assert told["relu"] == (0.3, 1)
    assert told["gelu"][0] == 0.1
    assert found.best.entrant.activation == "relu"
    assert found.seeds == (1, 2)
    assert found.trials == len(ran) == 1 + 1 + 2 + 6 + 2 * 5  # control, itself; own at two rates, two at three; judging


def test_mistakes_are_refused_before_anything_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "world", staticmethod(noted(world())))
    with pytest.raises(ActivationError, match="'gello'; did you mean 'gelu'"):
        compare_script("train.py", activations=["gello"])
    with pytest.raises(SettingsError, match="init is one of right, script, both"):
        compare_script("train.py", init="good")
    with pytest.raises(SettingsError, match="seeds has to be 2"):
        compare_script("train.py", seeds=1)
    with pytest.raises(SettingsError, match="rates are factors"):
        compare_script("train.py", rates=(1.0, -1.0))
    assert ran == []


def test_there_has_to_be_something_else_than_what_the_network_has() -> None:
    with pytest.raises(ProbeError, match="the network has sigmoid already; name others"):
        compare_script("train.py", activations=["sigmoid"], init="script")


def test_a_network_without_hidden_activations_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRunner, "recording", sketch([site("fc", "linear", {"grad_rms": 1.0})], losses=[1.0]))
    with pytest.raises(ProbeError, match="no hidden activation that could be swapped"):
        compare_script("train.py")
    monkeypatch.setattr(FakeRunner, "recording", Recording())
    with pytest.raises(ProbeError, match="did not train"):
        compare_script("train.py")


# ── on copies of a model ────────────────────────────────────────────────────────────────────


class Net(nn.Module):
    """Functions and modules: both are swapped, the output is not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.act = nn.Linear(4, 12), nn.Linear(12, 12), nn.Tanh()
        self.out = nn.Linear(12, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        return torch.sigmoid(self.out(self.act(self.second(x))))


def xor() -> tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(2)
    x = torch.randn(64, 4)
    return Net(), (x, ((x[:, :1] * x[:, 1:2]) > 0).float())


def compared(net: nn.Module, batch: Any, **how: Any) -> gm.Comparison:
    how = {"activations": ["relu", "tanh"], "steps": 30, "seeds": 2, **how}
    return compare(net, batch, F.binary_cross_entropy, optimizer=lambda p: torch.optim.Adam(p, lr=0.01), **how)


def test_a_model_is_compared_and_left_bit_for_bit_as_it_was() -> None:
    net, batch = xor()
    before, dice = {key: value.clone() for key, value in net.state_dict().items()}, torch.get_rng_state()
    found = compared(net, batch, init="both")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(dice, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net(batch[0]).shape == (64, 1)
    names = {(one.entrant.activation, one.entrant.start) for one in found.standings}
    assert names == {("tanh", SCRIPT), ("tanh", RIGHT), ("relu", SCRIPT), ("relu", RIGHT)}
    assert (found.subject, found.own, found.places) == ("Net", ("tanh",), 2)
    at_work = {one.entrant.activation: one.checkup.activations for one in found.standings}
    assert at_work == {"tanh": {"tanh": 2}, "relu": {"relu": 2}}
    assert all(one.held and one.checkup.looks for one in found.standings)


def test_the_result_prints_and_can_be_read_by_programs() -> None:
    found = compared(*xor(), activations=["relu"])
    assert "Net: tanh at 2 places · 30 steps · 2 seeds" in str(found)
    assert json.loads(found.to_json())["schema"] == "gradmedic.comparison/1"
    assert found._repr_html_().startswith('<div class="gradmedic fragment"')
    [curve] = found.best.curves.values()
    assert len(curve.steps) == len(curve.mean) == 30


def test_the_right_start_changes_the_weights_before_the_activations_alone() -> None:
    net, batch = xor()
    found = compared(net, batch, activations=["relu"], init="right", steps=10)
    start = next(one for one in found.standings if one.entrant.activation == "relu")
    [_, init] = start.entrant.arm.prescription.items
    assert init.dose["weights"] == ("first.weight", "second.weight")


def test_a_model_without_hidden_activations_is_refused() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1), nn.Sigmoid())
    with pytest.raises(ProbeError, match="no hidden activation that could be swapped"):
        compared(net, xor()[1])
