"""The numbers of a capture are those that the script itself would find."""

from collections.abc import Callable, Mapping
from math import log10

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.recording.records import Capture, Recording

Watch = Callable[..., Recording]


def rms(tensor: Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt())


def rows(recording: Recording, step: int = 0) -> Mapping[str, Mapping[str, float]]:
    """The columns of the sites of a capture, by name."""
    return {recording.sites[key].name: columns for key, columns in recording.captures[step].sites.items()}


def one_pass(watch: Watch, loss: Callable[[], Tensor]) -> Mapping[str, Mapping[str, float]]:
    return rows(watch(lambda: loss().backward()))


@pytest.mark.parametrize("inplace", [False, True])
def test_gradients_and_values_of_hidden_layers(watch: Watch, inplace: bool) -> None:
    first, second = nn.Linear(4, 6), nn.Linear(6, 1)
    x = torch.randn(5, 4)
    hidden = first(x)
    active = hidden.relu()
    out = second(active)
    for tensor in (hidden, active, out):
        tensor.retain_grad()
    out.square().mean().backward()
    model = nn.ModuleDict({"first": first, "act": nn.ReLU(inplace), "second": second})

    found = one_pass(watch, lambda: model["second"](model["act"](model["first"](x))).square().mean())
    for name, tensor in (("first", hidden), ("act", active), ("second", out)):
        assert tensor.grad is not None
        assert found[name]["grad_rms"] == pytest.approx(rms(tensor.grad))
        assert found[name]["grad_norm"] == pytest.approx(float(tensor.grad.norm()))
        assert found[name]["grad_zero"] == pytest.approx(float((tensor.grad == 0).float().mean()))
    assert found["act"]["value_rms"] == pytest.approx(rms(active))
    assert found["act"]["value_zero"] == pytest.approx(float((active == 0).float().mean()))
    assert found["act"]["value_max"] == pytest.approx(active.max().item())
    assert found["first"]["input_mean"] == pytest.approx(float(x.mean()), abs=1e-6)
    assert hidden.grad is not None
    assert active.grad is not None
    assert found["act"]["gain"] == pytest.approx(log10(float(hidden.grad.norm()) / float(active.grad.norm())), abs=1e-5)


def test_a_signal_with_two_users_gets_the_sum(watch: Watch) -> None:
    layer = nn.Linear(4, 4)
    x = torch.randn(3, 4)
    h = layer(x)
    h.retain_grad()
    (h.tanh() + 2 * h).sum().backward()
    found = one_pass(watch, lambda: ((h := layer(x)).tanh() + 2 * h).sum())
    (name,) = (name for name in found if "tanh" not in name and "mul" not in name and found[name].get("input_rms"))
    assert found[name]["grad_rms"] == pytest.approx(rms(h.grad))


def test_dead_and_silent_units(watch: Watch) -> None:
    layer = nn.Linear(4, 8)
    with torch.no_grad():
        layer.bias[:2] = -100.0

    def loop() -> None:
        for sign in (1.0, -1.0):
            x = sign * torch.eye(4)[:1].repeat(3, 1)
            with torch.no_grad():
                layer.weight.copy_(torch.tensor([1.0, 1, 1, 1, 1, -1, -1, -1]).unsqueeze(1).expand(8, 4))
                layer.bias[2:] = 0.0
            layer(x).relu().sum().backward()
            with torch.no_grad():
                layer.bias[7] -= 1e-3  # a step, by hand

    recording = watch(loop)
    first, second = (next(c for c in capture.sites.values() if "silent" in c) for capture in recording.captures)
    assert (first["silent"], first["dead"]) == (5 / 8, 5 / 8)
    assert (second["silent"], second["dead"]) == (5 / 8, 2 / 8)


@pytest.mark.parametrize(
    ("activate", "share"),
    [(torch.sigmoid, 0.75), (torch.tanh, 0.75), (F.hardtanh, 0.75), (lambda x: x.softmax(-1), 1.0)],
)
def test_saturation(watch: Watch, activate: Callable[[Tensor], Tensor], share: float) -> None:
    w = torch.ones(1, requires_grad=True)
    x = torch.tensor([[-50.0, 0.1, 50.0, 90.0]])
    found = one_pass(watch, lambda: activate(w * x)[0, 1])
    (saturated,) = (columns["saturated"] for columns in found.values() if "saturated" in columns)
    assert saturated == pytest.approx(share)


def test_the_range_of_a_hazards_operand_and_of_a_target(watch: Watch) -> None:
    w = torch.ones(1, requires_grad=True)
    x, target = torch.tensor([0.5, 2.0]), torch.tensor([-3.0, 7.0])
    found = one_pass(watch, lambda: F.mse_loss(torch.log(w * x), target))
    log = next(columns for name, columns in found.items() if "log" in name)
    assert (log["input_min"], log["input_max"]) == (0.5, 2.0)
    loss = found["mse_loss"]
    assert (loss["target_min"], loss["target_max"]) == (-3.0, 7.0)


def test_the_ledger_leads_from_the_loss_to_the_deepest_weight(watch: Watch) -> None:
    model = nn.Sequential(*(layer for _ in range(6) for layer in (nn.Linear(5, 5), nn.Tanh())))
    captures: list[Capture] = []
    norms: list[float] = []

    def loop() -> None:
        model(torch.randn(3, 5)).square().mean().backward()
        grad = model[0].weight.grad
        assert isinstance(grad, Tensor)
        norms.append(float(grad.double().norm()))

    recording = watch(loop)
    captures.extend(recording.captures)
    ledger = captures[0].ledgers[0]
    assert ledger.target == "0.weight"
    assert ledger.start + ledger.total == pytest.approx(log10(norms[0]), abs=1e-9)
    names = [entry.name for entry in ledger.entries]
    assert [name for name in dict.fromkeys(names) if name.isdigit()] == [str(i) for i in reversed(range(12))]


def test_tiny_gradients_are_still_measured(watch: Watch) -> None:
    layer = nn.Linear(4, 4)
    recording = watch(lambda: (layer(torch.randn(3, 4)).sum() * 1e-30).backward())
    (capture,) = recording.captures
    assert all(1e-31 < row["grad_rms"] < 1e-28 for row in capture.parameters.values())
    assert all(row["grad_rms"] > 1e-31 for row in capture.sites.values())


def test_gradients_that_autograd_grad_returns_are_read(watch: Watch) -> None:
    layer = nn.Linear(4, 2)
    grads: list[Tensor] = []
    recording = watch(
        lambda: grads.extend(torch.autograd.grad(layer(torch.randn(3, 4)).square().sum(), list(layer.parameters())))
    )
    names = {p.name: p.id for p in recording.parameters.values()}
    (capture,) = recording.captures
    for name, grad in zip(("weight", "bias"), grads, strict=True):
        assert capture.parameters[names[name]]["grad_rms"] == pytest.approx(rms(grad))


def test_hooks_of_the_script_see_the_same_gradients(watch: Watch) -> None:
    layer = nn.Linear(4, 2)
    x = torch.randn(3, 4)

    def seen() -> list[Tensor]:
        found: list[Tensor] = []
        hidden = layer(x)
        hidden.register_hook(found.append)
        hidden.tanh().sum().backward()
        handle = layer.register_full_backward_hook(lambda module, inputs, outputs: found.extend([*inputs, *outputs]))
        layer(x.clone().requires_grad_()).relu().sum().backward()
        handle.remove()
        return found

    plain = seen()
    watched: list[Tensor] = []
    watch(lambda: watched.extend(seen()))
    assert len(plain) == len(watched) == 3
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))


def test_no_hook_stays_on_a_graph_that_is_kept(watch: Watch) -> None:
    layer = nn.Linear(4, 1)
    counts: list[int] = []

    def loop() -> None:
        loss = layer(torch.randn(3, 4)).tanh().sum()
        for _ in range(4):
            loss.backward(retain_graph=True)
            with torch.no_grad():
                layer.bias.add_(0.1)
            counts.append(1)

    recording = watch(loop)
    norms = [next(iter(capture.sites.values()))["grad_norm"] for capture in recording.captures]
    assert len(norms) == len(counts) == 4
    assert norms == pytest.approx([norms[0]] * 4)
