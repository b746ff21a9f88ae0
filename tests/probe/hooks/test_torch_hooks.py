"""Torch is wrapped while a probe sits in it, is as before afterwards, and trains the same bits."""

import gc
import hashlib
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as module_hooks
from torch.nn.utils import clip_grad
from torch.optim import optimizer as optimizer_hooks

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording

Watch = Callable[..., Recording]
Loop = Callable[[], list[Tensor]]

WRAPPED = [
    (torch.autograd, "backward"),
    (torch.autograd, "grad"),
    (clip_grad, "_clip_grads_with_norm_"),
    (clip_grad, "clip_grad_value_"),
    (torch.nn.utils, "clip_grads_with_norm_"),
    (torch.nn.utils, "clip_grad_norm_"),
    (torch.nn.utils, "clip_grad_value_"),
    (torch.amp.GradScaler, "scale"),
    (torch.amp.GradScaler, "step"),
    (torch, "compile"),
    (Tensor, "backward"),
]


def state_of_torch() -> tuple[Any, ...]:
    """Whatever a probe may leave behind."""
    return (
        *(getattr(owner, name) for owner, name in WRAPPED),
        *(
            dict(hooks)
            for name, hooks in sorted(vars(module_hooks).items())
            if name.startswith("_global_") and isinstance(hooks, dict)
        ),
        dict(optimizer_hooks._global_optimizer_pre_hooks),
        dict(optimizer_hooks._global_optimizer_post_hooks),
        torch._C._len_torch_function_stack(),
    )


def train(steps: int = 3) -> list[Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(5, 3)).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return list(model.parameters())


def probe(every: int | None = 1) -> tuple[Probe, Recorder]:
    recorder = Recorder({})
    return Probe(recorder, Settings(every=every)), recorder


def test_nothing_of_the_probe_stays_in_torch() -> None:
    before = state_of_torch()
    watching, _ = probe()
    with watching:
        assert state_of_torch() != before
        train()
    assert state_of_torch() == before


def test_an_error_of_the_script_passes_and_nothing_stays() -> None:
    before = state_of_torch()
    watching, _ = probe()
    leaf = torch.ones(2, requires_grad=True)
    watching.install()
    with pytest.raises(RuntimeError, match="scalar"):
        (leaf * 2).backward()
    watching.close()
    assert state_of_torch() == before


def test_an_error_inside_of_backward_leaves_no_hook(watch: Watch) -> None:
    def fail(grad: Tensor) -> Tensor:
        raise KeyError("mine")

    def loop() -> None:
        x = torch.ones(2, requires_grad=True)
        y = x * 2
        y.register_hook(fail)
        with pytest.raises(KeyError, match="mine"):
            y.sum().backward()
        train()

    assert watch(loop).tallies["steps"] == 3


def test_installing_twice_in_a_row_does_not_stack() -> None:
    before = state_of_torch()
    watching, recorder = probe()
    for _ in range(2):
        watching.install()
        train()
        watching.close()
        assert state_of_torch() == before
    watching.close()
    assert state_of_torch() == before
    assert recorder.recording().tallies["backwards"] == 6


def test_two_probes_at_once_see_the_same_and_both_leave() -> None:
    before = state_of_torch()
    (first, one), (second, other) = probe(), probe()
    with first, second:
        train()
    assert state_of_torch() == before
    for recorder in (one, other):
        assert recorder.recording().tallies["backwards"] == 3
        assert recorder.recording().tallies["clip_calls"] == 3


def test_probes_that_leave_in_the_wrong_order_are_silent() -> None:
    (first, one), (second, other) = probe(), probe()
    before = state_of_torch()
    first.install()
    second.install()
    first.close()
    train()
    second.close()
    train()
    assert one.recording().tallies["backwards"] == 0
    assert other.recording().tallies["backwards"] == 3
    for (owner, name), original in zip(WRAPPED, before, strict=False):
        setattr(owner, name, original)


def test_what_was_imported_before_is_seen_too(watch: Watch) -> None:
    from torch.nn.utils import clip_grad_norm_

    def loop() -> None:
        model = nn.Linear(3, 1)
        model(torch.randn(5, 3)).sum().backward()
        clip_grad_norm_(model.parameters(), 1e-3)

    assert watch(loop).tallies["clip_bites"] == 1


def test_wrappers_look_like_what_they_wrap() -> None:
    names = [getattr(owner, name).__qualname__ for owner, name in WRAPPED]
    watching, _ = probe()
    with watching:
        assert [getattr(owner, name).__qualname__ for owner, name in WRAPPED] == names


def test_the_model_is_let_go_with_the_run() -> None:
    watching, _ = probe()
    with watching:
        model = nn.Linear(3, 1)
        model(torch.randn(5, 3)).sum().backward()
        alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_a_long_run_of_a_small_model_keeps_memory_flat() -> None:
    w, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w, b], lr=1e-3)
    x = torch.ones(4)

    def steps(count: int) -> tuple[int, int]:
        for _ in range(count):
            optimizer.zero_grad()
            (w * x + b - 1).square().mean().backward()
            optimizer.step()
        gc.collect()
        return tracemalloc.get_traced_memory()[0], len(recorder.recording().vitals)

    watching, recorder = probe(every=None)
    tracemalloc.start()
    try:
        with watching:
            half, some = steps(10_000)
            whole, all_of_them = steps(10_000)
    finally:
        tracemalloc.stop()
    # What the recorder keeps of the vitals grows with the logarithm of the steps.
    assert all_of_them < 10_000
    assert whole - half < 1.2 * half / some * (all_of_them - some) + 50_000
    assert recorder.recording().tallies["steps"] == 20_000


# ── the same bits ───────────────────────────────────────────────────────────────────────────


def dropout_and_adam() -> list[Tensor]:
    model = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Linear(16, 2)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(6):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(8, 6)), torch.randint(2, (8,))).backward()
        optimizer.step()
    return [*model.parameters(), *model.buffers()]


def momentum_and_clipping() -> list[Tensor]:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(6):
        optimizer.zero_grad(set_to_none=False)
        for _ in range(2):
            F.cross_entropy(model(torch.randn(4, 1, 6, 6)), torch.randint(2, (4,))).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()
    return list(model.parameters())


def mixed_precision() -> list[Tensor]:
    model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30, growth_interval=2)
    for _ in range(6):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(torch.randn(8, 6)).square().mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    return list(model.parameters())


def gan() -> list[Tensor]:
    g, d = (nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 4)) for _ in range(2))
    g_opt, d_opt = (torch.optim.Adam(net.parameters(), lr=1e-2, betas=(0.5, 0.99)) for net in (g, d))
    for _ in range(5):
        real, fake = torch.randn(8, 4), g(torch.randn(8, 4))
        d_opt.zero_grad()
        mixed = (real + fake.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(d(mixed).sum(), mixed, create_graph=True)
        (d(fake.detach()).mean() - d(real).mean() + (slope.norm(dim=1) - 1).square().mean()).backward()
        d_opt.step()
        g_opt.zero_grad()
        (-d(fake)).mean().backward()
        g_opt.step()
    return [*g.parameters(), *d.parameters()]


def recurrent_and_sparse() -> list[Tensor]:
    embedding, lstm = nn.Embedding(9, 5, sparse=True), nn.LSTM(5, 6, batch_first=True)
    optimizers = [torch.optim.SparseAdam(embedding.parameters()), torch.optim.Adam(lstm.parameters())]
    for _ in range(4):
        out, _ = lstm(embedding(torch.randint(9, (3, 7))))
        out.square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return [*embedding.parameters(), *lstm.parameters()]


def by_hand_with_lbfgs() -> list[Tensor]:
    w = torch.randn(5, requires_grad=True)
    for _ in range(4):
        (w.tanh().sum() - 1).square().backward()
        with torch.no_grad():
            assert w.grad is not None
            w.sub_(0.1 * w.grad)
            w.grad.zero_()
    optimizer = torch.optim.LBFGS([w], max_iter=3)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (w.sin() + w).square().sum()
        loss.backward()
        return loss.item()

    for _ in range(3):
        optimizer.step(closure)
    return [w]


LOOPS: list[Loop] = [
    dropout_and_adam,
    momentum_and_clipping,
    mixed_precision,
    gan,
    recurrent_and_sparse,
    by_hand_with_lbfgs,
]


def bits(loop: Loop) -> str:
    torch.manual_seed(3)
    digest = hashlib.sha256()
    for tensor in loop():
        digest.update(tensor.detach().numpy().tobytes())
    digest.update(torch.get_rng_state().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("every", [1, None])
@pytest.mark.parametrize("loop", LOOPS)
def test_weights_and_random_state_are_the_same_bits(watch: Watch, loop: Loop, every: int | None) -> None:
    plain = bits(loop)
    seen: list[str] = []
    recording = watch(lambda: seen.append(bits(loop)), every)
    assert seen == [plain]
    assert recording.captures
