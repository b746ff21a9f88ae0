"""Watching a loop from inside Python."""

import gc
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as hooks
from torch.optim import optimizer as optimizers

import gradmedic as gm


def train(activation: type[nn.Module] = nn.ReLU, steps: int = 40, depth: int = 2) -> nn.Module:
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(8, 8), activation())]
    model = nn.Sequential(*layers, nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(64, 8)
    y = (x[:, 0] > 0).long()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


def test_a_healthy_loop_is_healthy() -> None:
    with gm.watch() as w:
        train()
    assert w.report.verdict == "healthy"
    assert w.report.recording.vitals[-1].step == 39


def test_a_sick_loop_is_sick() -> None:
    with gm.watch() as w:
        train(nn.Sigmoid, depth=12)
    assert w.report.findings[0].rule == "vanishing-gradient"
    assert "vanishing-gradient" in str(w)
    assert "vanishing-gradient" in w._repr_html_()


def test_the_report_is_there_while_the_loop_runs() -> None:
    with gm.watch() as w:
        train(steps=10)
        first = w.report
        train(steps=10)
    assert 0 < len(first.recording.vitals) < len(w.report.recording.vitals)


def test_names_are_those_of_the_model_that_is_given() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    other = nn.Linear(1, 1)
    optimizer = torch.optim.SGD([*model.parameters(), *other.parameters()], lr=0.1)
    with gm.watch(model, optimizer) as w:
        for _ in range(3):
            other(model(torch.ones(2, 4))).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert {"0.weight", "1.weight"} <= {p.name for p in w.report.recording.parameters.values()}


def test_nothing_of_ours_is_left_behind() -> None:
    original = torch.autograd.backward
    with gm.watch():
        train(steps=3)
    assert torch.autograd.backward is original
    assert not hooks._global_forward_hooks
    assert not hooks._global_forward_pre_hooks


def test_a_cell_that_is_run_again_does_not_stack() -> None:
    first = gm.watch()
    first.__enter__()
    train(steps=2)
    with gm.watch() as second:  # the first one was left open, as by an interrupted cell
        train(steps=3)
    assert len(first.report.recording.vitals) == 2
    assert len(second.report.recording.vitals) == 3
    first.close()
    assert torch.autograd.backward.__module__ == "torch.autograd"


def test_weights_are_the_same_with_and_without() -> None:
    bare = train()
    with gm.watch(every=1):
        watched = train()
    for mine, theirs in zip(watched.parameters(), bare.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_recording_is_judged_alike_in_memory_and_on_disk(tmp_path: Path) -> None:
    with gm.watch(record=tmp_path / "run") as w:
        train(nn.Sigmoid, depth=12)
    again = gm.diagnose(tmp_path / "run")
    assert [f.message for f in again.findings] == [f.message for f in w.report.findings]
    assert again.verdict == w.report.verdict == "sick"


def untouched() -> bool:
    """Whether torch is as it was before anything was watched."""
    return (
        torch.autograd.backward.__module__ == "torch.autograd"
        and "gradmedic" not in torch.autograd.backward.__code__.co_filename
        and not hooks._global_forward_hooks
        and not optimizers._global_optimizer_pre_hooks
        and not optimizers._global_optimizer_post_hooks
    )


@pytest.mark.parametrize("record", [None, "run"])
def test_a_watch_that_is_entered_again_goes_on(record: str | None, tmp_path: Path) -> None:
    watch = gm.watch(record=record and tmp_path / record)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).pow(2).mean().backward()
            optimizer.step()

    for epoch in range(1, 4):
        with watch:
            steps(5)
        assert untouched()
        steps(2)
        assert len(watch.report.recording.vitals) == 5 * epoch
    assert [vital.step for vital in watch.report.recording.vitals] == list(range(15))
    if record:
        assert len(gm.diagnose(tmp_path / record).recording.vitals) == 15
    with gm.watch() as other:
        train(steps=3)
    assert len(other.report.recording.vitals) == 3
    assert untouched()


def test_a_watch_that_is_entered_within_itself_ends_with_the_outer_block() -> None:
    with gm.watch() as watch:
        train(steps=2)
        with watch:
            train(steps=2)
        train(steps=2)
    train(steps=2)
    assert len(watch.report.recording.vitals) == 6
    assert untouched()


def test_of_two_watches_the_inner_one_ends_the_outer_one() -> None:
    with gm.watch() as outer:
        train(steps=2)
        with gm.watch() as inner:
            train(steps=3)
        assert untouched()
        train(steps=4)
    assert len(outer.report.recording.vitals) == 2
    assert len(inner.report.recording.vitals) == 3
    assert untouched()


def train_and_raise(kind: type[BaseException]) -> None:
    train(steps=2)
    raise kind


def test_an_exception_that_leaves_a_watch_leaves_nothing_behind() -> None:
    watch = gm.watch()
    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(kind), watch:
            train_and_raise(kind)
        assert untouched()
    assert len(watch.report.recording.vitals) == 6


def test_a_watch_that_nobody_holds_any_more_is_ended_by_the_next() -> None:
    gm.watch().__enter__()
    gc.collect()
    train(steps=3)
    with gm.watch() as second:
        train(steps=3)
    assert len(second.report.recording.vitals) == 3
    assert untouched()


def test_a_watch_that_is_never_entered_touches_nothing() -> None:
    watch = gm.watch()
    assert watch.report.verdict
    watch.close()
    assert untouched()
