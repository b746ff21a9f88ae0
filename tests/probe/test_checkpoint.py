"""Activation checkpointing of both kinds, and saved tensors that live elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording

Wrap = Callable[[nn.Module, Tensor], Tensor]


def plain(module: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = module(x)
    return out


def modern(module: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = checkpoint(module, x, use_reentrant=False)
    return out


def reentrant(module: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = checkpoint(module, x.requires_grad_(), use_reentrant=True)
    return out


def offloaded(module: nn.Module, x: Tensor) -> Tensor:
    with torch.autograd.graph.save_on_cpu():
        out: Tensor = module(x)
    return out


def train(wrap: Wrap, steps: int = 3) -> list[Tensor]:
    """Half of the ReLU's units are dead, and most of the tanh is saturated."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh())
    head = nn.Linear(8, 1)
    with torch.no_grad():
        for index, bias in ((0, -100.0), (2, 50.0)):
            parameter: Any = body[index].bias
            parameter[:4] = bias
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        head(wrap(body, torch.randn(6, 4))).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def watched(wrap: Wrap) -> tuple[Recording, list[Tensor]]:
    with Probe(recorder := Recorder({}), Settings(every=1)):
        weights = train(wrap)
    return recorder.recording(), weights


def numbers(recording: Recording, op: str, column: str) -> float:
    (site,) = (site for site in recording.sites.values() if site.op == op)
    return recording.captures[0].sites[site.id][column]


@pytest.mark.parametrize("wrap", [modern, reentrant, offloaded])
def test_training_and_gradients_are_those_without(wrap: Wrap) -> None:
    recording, weights = watched(wrap)
    assert not recording.events_of("failure")
    assert all(map(torch.equal, weights, train(wrap)))
    assert [(capture.step, capture.stream) for capture in recording.captures] == [(0, 0), (1, 0), (2, 0)]
    expected, _ = watched(plain)
    for mine, theirs in ((recording, expected), (expected, recording)):
        for key, column in mine.captures[2].parameters.items():
            name = mine.parameters[key].name
            same = [k for k, p in theirs.parameters.items() if p.name == name]
            if same:
                found = theirs.captures[2].parameters[same[0]]
                assert found["clipped_rms"] == pytest.approx(column["clipped_rms"], rel=1e-5)


@pytest.mark.parametrize("wrap", [plain, modern, offloaded])
def test_dead_units_and_saturation_are_told_without_unpacking(wrap: Wrap) -> None:
    recording, _ = watched(wrap)
    assert numbers(recording, "relu", "dead") == pytest.approx(0.5)
    assert numbers(recording, "tanh", "saturated") == pytest.approx(0.5, abs=0.1)


def test_recomputation_is_no_step_and_no_stream_of_its_own() -> None:
    recording, _ = watched(reentrant)
    assert len(recording.streams) == 1
    assert [vital.step for vital in recording.vitals] == [0, 1, 2]


@pytest.mark.parametrize("reentrant", [False, True])
def test_sites_inside_of_a_checkpoint_are_read_as_without_it(reentrant: bool) -> None:
    def run(wrap: bool) -> dict[str, float]:
        torch.manual_seed(0)
        first, head = nn.Linear(8, 8), nn.Linear(8, 2)
        blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(4))
        model = nn.ModuleList([first, blocks, head])
        recorder = Recorder({})
        with Probe(recorder, Settings(every=1)) as probe:
            probe.introduce(model, None)
            x = first(torch.ones(4, 8))
            for block in blocks:
                x = checkpoint(block, x, use_reentrant=reentrant) if wrap else block(x)
            head(x).square().sum().backward()
        recording = recorder.recording()
        sizes = {recording.sites[i].name: row["grad_norm"] for i, row in recording.captures[0].sites.items()}
        return {name: size for name, size in sizes.items() if name.startswith("1.")}

    assert run(wrap=True) == pytest.approx(run(wrap=False))
    assert len(run(wrap=True)) == 8
