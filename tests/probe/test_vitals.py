"""Losses, norms, learning rates and steps, counted right in every way to write a training loop."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gradmedic.prediction.init import critical_
from gradmedic.recording.records import Recording

Watch = Callable[..., Recording]


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def loss_of(model: nn.Module) -> Tensor:
    loss: Tensor = (model(torch.randn(5, 3)) - 1).square().mean()
    return loss


def norm_of(model: nn.Module) -> float:
    return sqrt(sum(float(p.grad.double().square().sum()) for p in model.parameters() if p.grad is not None))


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def test_takes_the_loss_the_norm_and_the_rate_of_every_step(watch: Watch) -> None:
    losses, norms = [], []

    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(5):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            losses.append(loss.item())
            norms.append(norm_of(model))
            optimizer.step()

    recording = watch(loop)
    assert [(v.step, v.loss, v.lr) for v in recording.vitals] == [(i, losses[i], 0.1) for i in range(5)]
    assert recording.vitals[0].grad_norm == pytest.approx(norms[0])
    assert recording.tallies["steps"] == recording.tallies["backwards"] == 5


def test_counts_an_accumulated_step_once_from_the_first_on(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(3):
            optimizer.zero_grad()
            for _ in range(4):
                (loss_of(model) / 4).backward()
            optimizer.step()

    recording = watch(loop)
    assert [v.step for v in recording.vitals] == [0] * 4 + [1] * 4 + [2] * 4
    assert [c.step for c in recording.captures] == [0, 1, 2]
    assert recording.tallies["steps"] == 3
    assert recording.tallies["stale_steps"] == 0


def test_counts_an_lbfgs_step_once_and_takes_every_loss_of_its_closure(watch: Watch) -> None:
    calls = 0

    def loop() -> None:
        torch.manual_seed(0)
        model = small()
        x = torch.randn(8, 3)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)

        def closure() -> Tensor:
            nonlocal calls
            calls += 1
            optimizer.zero_grad()
            loss: Tensor = (model(x) - 1).square().mean()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)

    recording = watch(loop)
    assert recording.tallies["steps"] == 3
    assert recording.tallies["backwards"] == len(recording.vitals) == calls > 6
    assert all(v.loss is not None for v in recording.vitals)
    assert recording.tallies["stale_steps"] == 0
    assert all("update_rms" in row for row in recording.captures[1].parameters.values())


def scaled_run(fused: bool, unscale: bool, bad_at: int | None) -> Callable[[], None]:
    def loop() -> None:
        torch.manual_seed(0)
        model = small()
        optimizer = sgd(model, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
        for step in range(5):
            optimizer.zero_grad()
            loss = loss_of(model)
            if step == bad_at:
                loss = loss * float("inf")
            scaler.scale(loss).backward()
            if unscale:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()

    return loop


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscale", [False, True])
def test_sees_through_a_grad_scaler(watch: Watch, fused: bool, unscale: bool) -> None:
    def plain() -> None:
        torch.manual_seed(0)
        model = small()
        optimizer = sgd(model)
        for _ in range(5):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()

    truth = watch(plain)
    told = watch(scaled_run(fused, unscale, None))
    assert [v.loss for v in told.vitals] == pytest.approx([v.loss for v in truth.vitals])
    assert told.vitals[0].grad_norm == pytest.approx(truth.vitals[0].grad_norm)
    assert [v.scale for v in told.vitals] == [1024.0] * 5
    for mine, true in zip(told.captures, truth.captures, strict=True):
        for key, row in mine.parameters.items():
            assert row == pytest.approx(true.parameters[key], rel=1e-4)
        for key, row in mine.sites.items():
            assert row == pytest.approx(true.sites[key], rel=1e-4)


@pytest.mark.parametrize("fused", [False, True])
def test_counts_a_skipped_step_and_goes_on(watch: Watch, fused: bool) -> None:
    recording = watch(scaled_run(fused, False, bad_at=2))
    assert [v.step for v in recording.vitals] == [0, 1, 2, 3, 4]
    assert [v.step for v in recording.vitals if v.skipped] == [2]
    assert recording.tallies["skipped_steps"] == 1
    assert [c.step for c in recording.captures] == [0, 1, 2, 3, 4]


def test_sees_a_step_that_is_skipped_after_a_step_without_the_scaler(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        loss_of(model).backward()
        optimizer.step()
        scaled_run(False, False, bad_at=0)()

    assert watch(loop).tallies["skipped_steps"] == 1


def test_finds_the_true_loss_of_several_scaled_losses(watch: Watch) -> None:
    losses = []

    def loop() -> None:
        model = small()
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        first, second = loss_of(model), loss_of(model)
        losses.extend([first.item(), second.item()])
        scaled = [scaler.scale(first), scaler.scale(second)]
        for loss in scaled:
            loss.backward()

    assert [v.loss for v in watch(loop).vitals] == pytest.approx(losses)


def test_notes_the_norm_before_clipping_and_how_often_it_bites(watch: Watch) -> None:
    norms = []

    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for step in range(4):
            optimizer.zero_grad()
            loss_of(model).backward()
            norms.append(norm_of(model))
            limit = norms[-1] * (0.1 if step % 2 else 10.0)
            clip_grad_norm_((p for p in model.parameters()), limit)
            optimizer.step()

    recording = watch(loop)
    assert [v.grad_norm for v in recording.vitals] == pytest.approx(norms)
    assert [v.max_norm for v in recording.vitals] == pytest.approx(
        [n * f for n, f in zip(norms, [10, 0.1] * 2, strict=True)]
    )
    assert (recording.tallies["clip_calls"], recording.tallies["clip_bites"]) == (4, 2)


def test_a_norm_of_part_of_the_gradients_is_not_taken_for_the_whole(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(3):
            optimizer.zero_grad()
            loss_of(model).backward()
            clip_grad_norm_(model[0].parameters(), 1e-3)
            optimizer.step()

    recording = watch(loop)
    assert recording.tallies["clip_bites"] == 3
    assert [v.grad_norm for v in recording.vitals] == [None] * 3


def test_an_infinity_norm_is_no_euclidean_one(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        loss_of(model).backward()
        clip_grad_norm_(model.parameters(), 1e-3, norm_type=float("inf"))
        optimizer.step()

    recording = watch(loop)
    assert recording.tallies["clip_bites"] == 1
    assert recording.vitals[0].max_norm is None


def test_clipping_scaled_gradients_is_told_in_true_sizes(watch: Watch) -> None:
    norms = []

    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        for _ in range(2):
            optimizer.zero_grad()
            scaler.scale(loss_of(model)).backward()
            norms.append(norm_of(model) / 64)
            clip_grad_norm_(model.parameters(), 1.0)  # unscale_ was forgotten
            scaler.step(optimizer)
            scaler.update()

    recording = watch(loop)
    assert [v.grad_norm for v in recording.vitals] == pytest.approx(norms)
    assert [v.max_norm for v in recording.vitals] == [1 / 64] * 2


def test_tells_how_often_a_limit_on_entries_bites(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        loss_of(model).backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 1e-4)
        optimizer.step()

    tallies = watch(loop).tallies
    assert (tallies["clip_calls"], tallies["clip_bites"]) == (1, 1)


def test_evaluation_is_not_counted(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(3):
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
            with torch.no_grad():
                loss_of(model)
            with torch.inference_mode():
                loss_of(model)

    recording = watch(loop)
    assert recording.tallies["steps"] == len(recording.vitals) == 3
    assert [site.repeats for site in recording.sites.values()] == [1] * len(recording.sites)


def test_the_gan_has_two_streams_and_each_its_losses(watch: Watch) -> None:
    def loop() -> None:
        g, d = nn.Linear(2, 3), nn.Linear(3, 1)
        g_opt, d_opt = torch.optim.Adam(g.parameters(), lr=1e-3), torch.optim.SGD(d.parameters(), lr=1e-2)
        for _ in range(3):
            d_opt.zero_grad()
            d(g(torch.randn(4, 2)).detach()).mean().backward()
            d_opt.step()
            g_opt.zero_grad()
            (-d(g(torch.randn(4, 2)))).mean().backward()
            g_opt.step()

    recording = watch(loop)
    assert recording.tallies["steps"] == 3
    assert [v.lr for v in recording.vitals if v.stream == 0] == [1e-2] * 3
    assert [v.lr for v in recording.vitals if v.stream == 1] == [1e-3] * 3
    assert len(recording.captures_of(0)) == 3
    assert len(recording.captures_of(1)) == 3
    assert recording.tallies["stale_steps"] == 0


def test_optimizers_that_share_a_pass_share_its_norm(watch: Watch) -> None:
    norms = []

    def loop() -> None:
        model = small()
        first = torch.optim.SGD(model[0].parameters(), lr=0.1)
        second = torch.optim.Adam(model[2].parameters(), lr=0.01)
        for _ in range(3):
            first.zero_grad()
            second.zero_grad()
            loss_of(model).backward()
            norms.append(norm_of(model))
            first.step()
            second.step()

    recording = watch(loop)
    assert recording.tallies["steps"] == 3
    assert recording.vitals[0].grad_norm == pytest.approx(norms[0])
    assert all("update_rms" in row for capture in recording.captures for row in capture.parameters.values())


def test_a_new_optimizer_goes_on_counting(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        for part in (model.parameters(), model[2].parameters()):
            optimizer = torch.optim.SGD(part, lr=0.1)
            for _ in range(10):
                optimizer.zero_grad()
                loss_of(model).backward()
                optimizer.step()

    recording = watch(loop)
    assert recording.tallies["steps"] >= 19
    assert len(recording.captures) >= 19


def test_an_optimizer_made_anew_for_every_step_is_one(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        for _ in range(8):
            optimizer = sgd(model)
            optimizer.zero_grad()
            loss_of(model).backward()
            optimizer.step()
            del optimizer

    recording = watch(loop)
    assert recording.tallies["steps"] == 8
    assert list(recording.optimizers) == [0]


def test_optimizers_that_step_inside_of_backward(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

        def step(p: Tensor) -> None:
            optimizers[p].step()  # type: ignore[index]  # a hook is given the parameter itself
            optimizers[p].zero_grad()  # type: ignore[index]

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(step)
        for _ in range(4):
            loss_of(model).backward()

    recording = watch(loop)
    assert recording.tallies["steps"] == 4
    assert [c.step for c in recording.captures] == [0, 1, 2, 3]
    for capture in recording.captures:
        assert all(
            row["update_rms"] == pytest.approx(0.1 * row["clipped_rms"], rel=1e-4)
            for row in capture.parameters.values()
        )


def test_several_passes_through_one_graph(watch: Watch) -> None:
    losses = []

    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(3):
            optimizer.zero_grad()
            hidden = model(torch.randn(5, 3))
            first, second = hidden.mean(), hidden.square().mean()
            losses.extend([first.item(), second.item()])
            first.backward(retain_graph=True)
            second.backward()
            optimizer.step()

    recording = watch(loop)
    assert [v.loss for v in recording.vitals] == losses
    assert [v.stream for v in recording.vitals] == [0, 1] * 3
    assert len(recording.captures) == 6


def test_a_pass_from_a_vector_has_no_loss_and_two_losses_have_their_sum(watch: Watch) -> None:
    sums = []

    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        model(torch.randn(5, 3)).backward(torch.ones(5, 1))
        optimizer.step()
        optimizer.zero_grad()
        losses = [loss_of(model), loss_of(model)]
        sums.append(sum(loss.item() for loss in losses))
        torch.autograd.backward(losses)
        optimizer.step()

    recording = watch(loop)
    assert [v.loss for v in recording.vitals] == [None, pytest.approx(sums[0])]
    assert len(recording.captures) == 2


def test_a_penalty_on_the_input_gradient_is_no_step_of_its_own(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(3):
            optimizer.zero_grad()
            x = torch.randn(5, 3, requires_grad=True)
            out = model(x).sum()
            (slope,) = torch.autograd.grad(out, x, create_graph=True)
            (out.square() + (slope.norm() - 1).square()).backward()
            optimizer.step()

    recording = watch(loop)
    assert recording.tallies["backwards"] == 3
    assert len(recording.streams) == 1
    assert all(v.loss is not None for v in recording.vitals)
    last = recording.captures[-1]
    assert all(row["grad_norm"] > 0 for row in last.parameters.values() if row["grad"])


def test_an_attack_on_the_input_is_not_training(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        optimizer = sgd(model)
        for _ in range(3):
            x = torch.randn(5, 3, requires_grad=True)
            (slope,) = torch.autograd.grad(model(x).sum(), x)
            optimizer.zero_grad()
            model(x.detach() + slope.sign()).square().mean().backward()
            optimizer.step()

    assert watch(loop).tallies["backwards"] == 3


def test_what_an_initialization_computes_is_not_training(watch: Watch) -> None:
    def loop() -> None:
        model = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 2))
        optimizer = sgd(model)
        critical_(model, torch.randn(5, 3))
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(5, 3)).square().mean().backward()
            optimizer.step()

    recording = watch(loop)
    assert [vital.step for vital in recording.vitals] == [0, 1, 2]
    assert recording.tallies["backwards"] == 3
    assert len(recording.streams) == 1


def test_gradients_from_autograd_grad_are_seen(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        weights = list(model.parameters())
        for _ in range(4):
            grads = torch.autograd.grad(loss_of(model), weights)
            with torch.no_grad():
                for weight, grad in zip(weights, grads, strict=True):
                    weight.sub_(0.1 * grad)

    recording = watch(loop)
    assert [v.step for v in recording.vitals] == [0, 1, 2, 3]
    for capture in recording.captures[:3]:
        for row in capture.parameters.values():
            assert row["grad"] == 1
            assert row["update_rms"] == pytest.approx(0.1 * row["grad_rms"], rel=1e-4)


def test_transforms_of_functions_are_left_alone(watch: Watch) -> None:
    model = small()
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(model, weights, (x,)).square().mean()
        return found

    x = torch.randn(5, 3)
    true = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)
    found: dict[str, Tensor] = {}
    recording = watch(lambda: found.update(torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x)))
    assert all(torch.equal(found[name], true[name]) for name in true)
    assert not recording.vitals


def test_functional_call_trains_like_any_call(watch: Watch) -> None:
    def loop() -> None:
        model = small()
        weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
        optimizer = torch.optim.SGD(weights.values(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            torch.func.functional_call(model, weights, (torch.randn(5, 3),)).square().mean().backward()
            optimizer.step()

    recording = watch(loop)
    assert recording.tallies["steps"] == 3
    assert {p.name for p in recording.parameters.values() if p.optimizer == 0} == {
        f"weights['{name}']" for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    }
