"""Rules on recordings of real loops: what the probe has to see for them."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gradmedic.base.settings import Settings
from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.judge import judge
from gradmedic.probe import Probe
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording


def watched(loop: Callable[[], None]) -> Recording:
    recorder = Recorder({})
    with Probe(recorder, Settings(every=5)):
        torch.manual_seed(0)
        loop()
    return recorder.recording()


def first(recording: Recording) -> Finding | None:
    return next(iter(judge(recording).findings), None)


def batches(count: int = 40) -> Iterator[tuple[Tensor, Tensor]]:
    for _ in range(count):
        x = torch.randn(64, 8)
        yield x, (x[:, 0] > 0).long()


def backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


@pytest.mark.parametrize("order", ["before backward", "behind the step", "right"])
def test_clipping_that_meets_no_fresh_gradient_is_counted(order: str) -> None:
    def loop() -> None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in batches():
            optimizer.zero_grad()
            loss = cross_entropy(model, x, y)
            if order == "before backward":
                clip_grad_norm_(model.parameters(), 1.0)
            backward(loss)
            if order == "right":
                clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if order == "behind the step":
                clip_grad_norm_(model.parameters(), 1.0)

    tallies = watched(loop).tallies
    assert tallies["clip_calls"] == 40
    assert tallies["clip_idle"] == (0 if order == "right" else pytest.approx(40, abs=1))


def test_two_optimizers_of_one_pass_may_clip_in_turn() -> None:
    def loop() -> None:
        model = net()
        halves = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (model[0], model[3])]
        for x, y in batches():
            model.zero_grad()
            backward(cross_entropy(model, x, y))
            for part, optimizer in zip((model[0], model[3]), halves, strict=True):
                clip_grad_norm_(part.parameters(), 1.0)
                optimizer.step()

    assert watched(loop).tallies["clip_idle"] <= 1


@pytest.mark.parametrize("zeroes", [True, False])
def test_gradients_that_are_clipped_after_each_part_of_a_batch_are_stale_unless_zeroed(zeroes: bool) -> None:
    def loop() -> None:
        model = net()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        for x, y in batches():
            for part in range(2):
                backward(cross_entropy(model, x[part::2], y[part::2]) / 2)
                clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if zeroes:
                optimizer.zero_grad()

    stale = watched(loop).tallies["stale_steps"]
    assert stale == 0 if zeroes else stale > 30


@pytest.mark.parametrize("again", [True, False])
def test_a_network_that_is_left_in_eval_mode_is_told_from_one_that_comes_back(again: bool) -> None:
    def loop() -> None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step, (x, y) in enumerate(batches(60)):
            if again:
                model.train()
            optimizer.zero_grad()
            backward(cross_entropy(model, x, y))
            optimizer.step()
            if step == 20:
                model.eval()
                model(x)

    found = [finding for finding in judge(watched(loop)).findings if finding.rule == "batch-norm-eval"]
    assert [finding.since_step > 20 for finding in found] == ([] if again else [True])


@pytest.mark.parametrize("cut", ["item", "no_grad"])
def test_a_loss_without_a_graph_is_no_mystery(cut: str) -> None:
    def loop() -> None:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in batches():
            optimizer.zero_grad()
            if cut == "item":
                loss = torch.tensor(cross_entropy(model, x, y).item(), requires_grad=True)
            else:
                with torch.no_grad():
                    loss = cross_entropy(model, x, y)
                loss.requires_grad_()
            backward(loss)
            optimizer.step()

    found = first(watched(loop))
    assert found is not None
    assert found.rule == "disconnected-parameters"
    assert found.places[0].line


class Gated(nn.Module):
    def __init__(self, cut: str) -> None:
        super().__init__()
        self.cut = cut
        self.gate, self.body, self.head = nn.Linear(8, 4), nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        score = self.gate(x).amax(1, keepdim=True)
        weight = {
            "softmax": lambda: torch.softmax(score, dim=1),
            "round": score.round,
            "clamp": lambda: (score + 100).clamp(0, 1),
            "none": score.sigmoid,
        }[self.cut]()
        return torch.as_tensor(self.head(torch.tanh(self.body(x)) * weight))


@pytest.mark.parametrize("cut", ["softmax", "round", "clamp", "none"])
def test_the_operation_that_hands_no_gradient_on_is_named(cut: str) -> None:
    def loop() -> None:
        model = Gated(cut)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in batches():
            optimizer.zero_grad()
            backward(cross_entropy(model, x, y))
            optimizer.step()

    found = [finding for finding in judge(watched(loop)).findings if finding.rule == "zero-gradient"]
    assert [finding.evidence["operation"] for finding in found] == ([] if cut == "none" else [cut])
