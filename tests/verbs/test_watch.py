"""Watching a loop from inside Python."""

import gc
import os
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as hooks
from torch.optim import optimizer as optimizers

import gradmedic as gm
from gradmedic.verbs.watch import Watch


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


def small() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def steps(model: Callable[..., torch.Tensor], optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        model(torch.ones(8, 4)).pow(2).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def test_one_line_watches_from_the_first_pass_of_its_model_until_it_is_closed() -> None:
    model, optimizer = small()
    handle = gm.watch(model)
    train(steps=2)  # another model
    steps(model, optimizer, 3)
    handle.close()
    steps(model, optimizer, 2)
    assert len(handle.report.recording.vitals) == 3
    assert {"0.weight", "2.bias"} <= {p.name for p in handle.report.recording.parameters.values()}
    assert untouched()
    assert torch.compile.__module__ == "torch"


class Scaled(nn.Module):
    """Computes in its own forward: its operations have no other owner."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.inner(x)) * 2


def named_sites(watch: Watch) -> list[tuple[str, str]]:
    recording = watch.report.recording
    return [(site.module or "", site.op) for site in recording.sites.values()]


def test_the_first_pass_is_read_as_within_a_block() -> None:
    found = []
    for block in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential(Scaled(), Scaled())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with gm.watch(model, every=1) if block else gm.watch() as w:
            handle = w if block else gm.watch(model, every=1)
            steps(model, optimizer, 3)
        handle.close()
        found.append(named_sites(handle))
    assert found[0] == found[1]
    assert ("0", "sigmoid") in [(module, op.lower().removesuffix("backward0")) for module, op in found[1]]


def test_one_line_leaves_weights_as_they_would_be() -> None:
    trained = []
    for watched in (True, False):
        model, optimizer = small()
        handle = gm.watch(model, every=1) if watched else None
        steps(model, optimizer, 20)
        if handle is not None:
            handle.close()
        trained.append(list(model.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))


def test_of_two_models_the_later_one_is_waited_for() -> None:
    (first, one), (second, other) = small(), small()
    before = gm.watch(first)
    after = gm.watch(second)
    steps(first, one, 2)
    assert untouched()
    steps(second, other, 3)
    after.close()
    assert not before.report.recording.vitals
    assert len(after.report.recording.vitals) == 3


def test_a_model_in_one_line_is_not_kept_alive() -> None:
    model, optimizer = small()
    handle = gm.watch(model, optimizer)
    steps(model, optimizer, 2)
    gone = weakref.ref(model)
    del model, optimizer
    gc.collect()
    assert gone() is None
    handle.close()


def test_a_watch_that_waits_and_is_entered_is_a_block() -> None:
    model, optimizer = small()
    with gm.watch(model) as w:
        steps(model, optimizer, 2)
    steps(model, optimizer, 2)
    assert len(w.report.recording.vitals) == 2
    assert untouched()


def test_a_compiler_meets_no_hook_of_ours() -> None:
    model, optimizer = small()
    handle = gm.watch(model)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steps(compiled, optimizer, 3)
    handle.close()
    assert len(handle.report.recording.vitals) == 3
    assert untouched()


ONE_LINE = """
import torch
from torch import nn
import gradmedic as gm
torch.manual_seed(0)
model = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Sigmoid())], nn.Linear(8, 2))
gm.watch(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(64, 8)
for _ in range(STEPS):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
    optimizer.step()
print("trained")
"""


def ran(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ}, check=True)


def test_the_end_of_the_process_prints_the_report() -> None:
    done = ran(ONE_LINE.replace("STEPS", "40"))
    assert done.stdout == "trained\n"
    assert "vanishing-gradient" in done.stderr


def test_ranks_but_the_first_print_nothing_and_a_forgotten_model_is_told() -> None:
    assert ran(ONE_LINE.replace("STEPS", "3"), RANK="1").stderr == ""
    done = ran(ONE_LINE.replace("STEPS", "0"))
    assert done.stderr == "gradmedic: the model that was to be watched has never been called\n"
