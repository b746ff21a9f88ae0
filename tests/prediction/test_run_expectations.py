"""What theory expected of a run is told when it is over, and nothing of the script's is kept alive for it."""

import gc
import weakref
from math import log10

import torch
import torch.nn.functional as F
from torch import nn

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.features.depth_profile import foreseen
from gradmedic.prediction.run_expectations import RunExpectations
from gradmedic.probe.observed_run import ObservedRun
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording


def deep(depth: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(64, 64), nn.Sigmoid())]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def trained(model: nn.Module, steps: int = 3) -> Recording:
    x, y = torch.randn(64, 64), torch.randint(0, 10, (64,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = Recorder({})
    with ObservedRun(recorder, Settings(every=1), RunExpectations()):
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return recorder.recording()


def test_what_is_expected_of_each_operation_is_what_is_measured() -> None:
    recording = trained(deep())
    first = recording.captures[0]
    told = [site for site in recording.sites.values() if site.kind in ("weights", "activation")]
    assert len(told) == 17
    for site in told:
        assert site.expected_grad is not None
        assert abs(log10(site.expected_grad / first.sites[site.id]["grad_rms"])) < 0.15
        if "value_rms" in first.sites[site.id]:
            assert site.expected_value is not None
            assert abs(log10(site.expected_value / first.sites[site.id]["value_rms"])) < 0.05


def test_a_ledger_is_foreseen_with_these_weights_and_with_critical_ones() -> None:
    recording = trained(deep())
    ledger = max(recording.captures[0].ledgers, key=lambda ledger: len(ledger.entries))
    found = foreseen(recording, ledger)
    assert found is not None
    expected, critical = found
    assert abs(expected - ledger.total) < 0.3
    assert critical - expected > 4


def test_weights_count_as_they_were_before_the_first_step() -> None:
    early, late = trained(deep(), steps=1), trained(deep(), steps=9)
    assert [s.expected_gain for s in early.sites.values()] == [s.expected_gain for s in late.sites.values()]


def test_no_graph_and_no_weight_stays_alive() -> None:
    model = deep(2)
    weight = weakref.ref(model[0].weight)
    x = torch.randn(8, 64)
    run = ObservedRun(Recorder({}), Settings(every=1), RunExpectations())
    run.open()
    model(x).sum().backward()
    run.probe.close()
    del model
    gc.collect()
    assert weight() is None
    run.close()


def test_random_states_stay_as_they_are() -> None:
    model = deep(2)
    recorder = Recorder({})
    with ObservedRun(recorder, Settings(every=1), RunExpectations()):
        model(torch.randn(8, 64)).sum().backward()
        before = torch.get_rng_state()
    assert recorder.recording().sites[0].expected_value is not None
    assert torch.equal(before, torch.get_rng_state())
