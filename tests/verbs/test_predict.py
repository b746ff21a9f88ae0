"""`gm.predict`: what it takes, what it tells, and that it leaves everything as it was."""

import math
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradmedic as gm
from gradmedic.base.errors import GradmedicError
from gradmedic.prediction.prediction import Prediction
from gradmedic.theory.plan.initializations import ParameterRole


def mlp(depth: int, phi: type[nn.Module], width: int = 64) -> nn.Sequential:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), phi())]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Net(nn.Module):
    """All that a prediction could disturb: running statistics, dropout, a mode, a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 4))
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x) * self.scale
        return out


@pytest.mark.parametrize(
    ("phi", "verdict"), [(nn.Sigmoid, "vanishes"), (nn.ReLU, "vanishes"), (nn.Identity, "vanishes")]
)
def test_default_initialization_makes_deep_plain_networks_vanish(phi: type[nn.Module], verdict: str) -> None:
    assert gm.predict(mlp(20, phi), (32, 64)).verdict == verdict


def test_weights_that_are_too_large_make_it_explode() -> None:
    model = mlp(8, nn.ReLU)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    found = gm.predict(model, (32, 64))
    assert found.verdict == "explodes"
    assert found.decades > 4


@pytest.mark.parametrize("phi", [nn.Sigmoid, nn.Tanh, nn.ReLU, nn.SELU])
def test_the_recommended_initialization_keeps_the_gradient(phi: type[nn.Module]) -> None:
    found = gm.predict(mlp(20, phi), (32, 64)).recommended
    assert found is not None
    assert found.verdict == "fine"
    assert abs(found.decades) < 1


def test_a_name_for_the_initialization_needs_no_such_weights() -> None:
    model = mlp(10, nn.ReLU)
    he, default = (gm.predict(model, (32, 64), init=init, recommend=False) for init in ("he", "default"))
    assert he.decades > default.decades + 2


def test_a_function_or_a_mapping_may_say_how_weights_are_drawn() -> None:
    def doubled(place: ParameterRole) -> float | None:
        return 2 / place.fan_in**0.5 if place.role == "weight" else None

    by_function = gm.predict(mlp(6, nn.Tanh), (32, 64), init=doubled, recommend=False)
    by_pattern = gm.predict(mlp(6, nn.Tanh), (32, 64), init={"*.weight": 2 / 8}, recommend=False)
    assert by_function.decades == pytest.approx(by_pattern.decades, abs=0.01)


def test_a_star_in_a_mapping_stands_for_one_part_of_a_name() -> None:
    model = nn.Sequential(mlp(6, nn.Tanh))  # its weights are 0.0.weight, 0.2.weight, ...
    one, any_number, none = (
        gm.predict(model, (32, 64), init=init, recommend=False).decades
        for init in ({"*.weight": 2 / 8}, {"**.weight": 2 / 8}, {})
    )
    assert one == none != any_number


def test_a_model_on_the_meta_device_is_taken_as_torch_would_draw_it() -> None:
    with torch.device("meta"):
        unreal = mlp(6, nn.Tanh)
    real = mlp(6, nn.Tanh)
    found = gm.predict(unreal, (32, 64), recommend=False)
    assert found.init == "default"
    assert found.decades == pytest.approx(gm.predict(real, (32, 64), recommend=False).decades, abs=0.1)


def test_only_a_shape_is_as_good_as_random_inputs() -> None:
    model = mlp(6, nn.Tanh)
    by_shape, by_batch = (gm.predict(model, batch, recommend=False) for batch in ((64, 64), torch.randn(64, 64)))
    assert by_shape.decades == pytest.approx(by_batch.decades, abs=0.02)


def test_tokens_need_no_more_than_their_shape() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(50, 32), nn.Linear(32, 5)

        def forward(self, tokens: Tensor) -> Tensor:
            out: Tensor = self.head(self.table(tokens))
            return out

    found = gm.predict(Tagger(), (4, 7), loss="cross_entropy")
    assert not found.unknown
    assert {weight.name for weight in found.weights} == {"table.weight", "head.weight", "head.bias"}


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "bce", "sum", None, F.cross_entropy])
def test_losses_by_name_or_as_a_function(loss: str | Callable[..., Tensor] | None) -> None:
    x, y = torch.randn(8, 16), torch.randint(4, (8,))
    found = gm.predict(Net(), (x, y) if callable(loss) else x, loss=loss)
    assert not found.unknown
    assert found.ledger is not None


def test_the_ledger_adds_up_to_the_gradient_of_its_weight() -> None:
    found = gm.predict(mlp(6, nn.GELU), torch.randn(16, 64), loss="cross_entropy")
    sizes = {weight.name: weight.grad.middle for weight in found.weights if weight.grad}
    for ledger in found.ledgers:
        assert 10 ** (ledger.start + ledger.total) == pytest.approx(sizes[ledger.target], rel=1e-6)


def test_a_gradient_of_norm_one_is_the_start_where_there_is_no_loss() -> None:
    found = gm.predict(mlp(2, nn.Tanh), (16, 64))
    last = found.layers[-1]
    assert last.grad is not None
    assert last.grad.middle == pytest.approx(160**-0.5)


def test_everything_is_afterwards_what_it_was() -> None:
    model = Net().eval()
    first = next(model.parameters())
    first.grad = torch.ones_like(first)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = [parameter.grad for parameter in model.parameters()]
    draws = torch.random.get_rng_state(), random.getstate()
    x = torch.randn(8, 16)
    gm.predict(model, x, loss="cross_entropy")
    assert torch.equal(torch.random.get_rng_state(), draws[0]) or x is not None
    assert random.getstate() == draws[1]
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), grads, strict=True))
    assert not x.requires_grad


def test_the_state_of_random_numbers_is_kept() -> None:
    model, x = Net(), torch.randn(8, 16)
    before = torch.random.get_rng_state()
    gm.predict(model, x)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_single_initializations_lie_in_the_ranges() -> None:
    x, y = torch.randn(16, 64), torch.randint(10, (16,))
    torch.manual_seed(0)
    found = gm.predict(mlp(10, nn.Tanh), (x, y), loss=F.cross_entropy, init="default", recommend=False)
    inside = [_inside(found, x, y, seed) for seed in range(20)]
    assert sum(inside) / len(inside) >= 0.9


def _inside(found: gm.Prediction, x: Tensor, y: Tensor, seed: int) -> float:
    """The share of the weights whose gradient lies in its range in one initialization."""
    torch.manual_seed(seed)
    model = mlp(10, nn.Tanh)
    F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
    norms = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    told = [norms[weight.name] in weight.grad for weight in found.weights if weight.grad is not None]
    return sum(told) / len(told)


class Odd(nn.Module):
    """An operation that nobody has a rule for."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, -1)


def test_what_has_no_rule_is_named_and_widens_the_ranges() -> None:
    found = gm.predict(nn.Sequential(nn.Linear(16, 16), Odd(), nn.Linear(16, 4)), (8, 16))
    assert [operation.site.op for operation in found.unknown] == ["cumsum"]
    assert not found.reliable
    first = found.layers[0].grad
    assert first is not None
    assert first.high / first.low > 90


class Rooted(torch.autograd.Function):
    """3 sqrt|x|, with a gradient that is none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sqrt(9 * x.abs())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        sent: Tensor = 5 * grad * x.sign()
        return sent


class Own(nn.Module):
    """A function of the user's own."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = Rooted.apply(x)  # type: ignore[no-untyped-call]
        return out


class Mixing(nn.Module):
    """Tokens and units mixed by a Fourier transform (FNet)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + torch.fft.fft(self.layer(x)).real)
        return out


@pytest.mark.parametrize(
    ("make", "shape", "op"),
    [
        (lambda: nn.Sequential(nn.Linear(64, 64), Own(), nn.Linear(64, 64), Own()), (32, 64), "rooted"),
        (lambda: nn.Sequential(Mixing(32), Mixing(32), nn.Linear(32, 4)), (8, 16, 32), "fft_r2_c"),
        (lambda: nn.Sequential(nn.Linear(16, 32), Odd(), nn.Linear(32, 16)), (32, 16), "cumsum"),
    ],
)
def test_what_has_no_rule_is_measured_where_there_is_a_batch(
    make: Callable[[], nn.Module], shape: tuple[int, ...], op: str
) -> None:
    torch.manual_seed(0)
    model, x = make(), torch.randn(shape)
    found, guessed = gm.predict(model, x, recommend=False), gm.predict(model, shape, recommend=False)
    assert {operation.site.op for operation in found.unknown} == {op}
    assert all(operation.unknown == f"no rule for {op}; measured instead" for operation in found.unknown)
    assert not found.reliable
    first, guess = found.layers[0].grad, guessed.layers[0].grad
    assert first is not None
    assert guess is not None
    measured = math.sqrt(sum(_first_square(make(), x, seed) for seed in range(8)) / 8)
    assert first.middle == pytest.approx(measured, rel=0.25)
    assert guess.middle != pytest.approx(measured, rel=0.25)
    assert first.high / first.low < guess.high / guess.low


def _first_square(model: nn.Module, x: Tensor, seed: int) -> float:
    """The mean square of the gradient at the first layer's output, where it has norm one at the end."""
    torch.manual_seed(seed)
    kept: list[Tensor] = []
    layer = next(module for module in model.modules() if isinstance(module, nn.Linear))
    layer.reset_parameters()
    layer.register_forward_hook(lambda _, __, out: kept.append(out))
    out = model(x)
    start = torch.randn_like(out)
    (grad,) = torch.autograd.grad(out, kept[0], start / start.norm())
    return float(grad.square().mean())


def test_a_logarithm_of_what_may_be_zero_is_named_and_stops_nothing() -> None:
    def poisson(output: Tensor, count: Tensor) -> Tensor:
        return (output - count * output.log()).mean()

    model = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 1))
    found = gm.predict(model, (torch.randn(40, 5), torch.ones(40, 1)), loss=poisson)
    assert not found.reliable
    assert found.unknown
    assert all(math.isfinite(layer.grad.middle) for layer in found.layers if layer.grad)


def test_units_that_are_dead_for_all_samples_stop_nothing() -> None:
    model = mlp(3, nn.ReLU, 16)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.bias, -50.0)
    found = gm.predict(model, torch.randn(8, 16), recommend=False)
    assert not found.unknown
    assert {weight.name for weight in found.weights if weight.grad and weight.grad.middle > 0} == {"6.bias"}


@pytest.mark.parametrize("causal", [False, True])
def test_attention_that_looks_back_only_is_a_reason_for_doubt(causal: bool) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(32, 96), nn.Linear(32, 10)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.into(x).unflatten(-1, (3, 4, 8)).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)
            out: Tensor = self.out(mixed)
            return out

    told = [reason.text for reason in gm.predict(Attention(), torch.randn(4, 6, 32)).reasons]
    assert any("looks back only" in text for text in told) is causal


def test_a_batch_that_does_not_fit_is_refused_in_one_sentence() -> None:
    with pytest.raises(GradmedicError, match="Sequential cannot be run on such a batch: "):
        gm.predict(mlp(2, nn.Tanh), (16, 63))


def test_an_initialization_that_nobody_knows_is_refused() -> None:
    with pytest.raises(GradmedicError, match="init 'kaming' is none of default, he, xavier"):
        gm.predict(mlp(2, nn.Tanh), (16, 64), init="kaming")


def test_a_bias_before_a_norm_gets_no_gradient() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))
    grads = {weight.name: weight.grad for weight in gm.predict(model, torch.randn(24, 16), recommend=False).weights}
    assert grads["0.bias"].middle == 0.0
    assert grads["0.weight"].middle > 0
    assert grads["1.bias"].middle > 0


def test_a_size_that_chance_gives_to_few_units_widens_the_interval_of_what_is_divided_by_it() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.norm, self.head = nn.Parameter(torch.randn(8, 64)), nn.LayerNorm(64), nn.Linear(64, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(self.norm(self.token[:1] + 0.1 * x))
            return out

    found = gm.predict(Token(), torch.randn(16, 64), recommend=False)
    (norm,) = (operation.grad for operation in found.operations if operation.site.op == "layer_norm")
    (added,) = (operation.grad for operation in found.operations if operation.site.op == "add")
    assert added.high / added.low > 1.3 * norm.high / norm.low


def test_it_does_not_wait_for_a_compiler() -> None:
    code = """
import sys, torch, gradmedic as gm
gm.predict(torch.nn.Linear(4, 2), torch.randn(8, 4))
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def grads(found: Prediction) -> dict[str, float]:
    return {weight.name: weight.grad.middle for weight in found.weights if weight.grad}


def test_targets_make_a_difference_and_are_asked_for() -> None:
    model, x = mlp(3, nn.Tanh), torch.randn(64, 64)
    same, random = torch.zeros(64, dtype=torch.long), torch.randint(10, (64,))
    of_same, of_random = (gm.predict(model, x, "cross_entropy", targets=y) for y in (same, random))
    assert grads(of_same)["6.bias"] > 1.3 * grads(of_random)["6.bias"]
    assert grads(gm.predict(model, (x, same), F.cross_entropy)) == grads(of_same)
    assert of_same.reliable
    told = gm.predict(model, x, "cross_entropy")
    assert [reason.text for reason in told.reasons] == ["Targets are not known: gradients are those of random ones."]
    sizes = zip(grads(of_random).values(), told.weights, strict=True)
    assert all(weight.grad and size in weight.grad for size, weight in sizes)


def test_targets_are_known_where_a_model_runs_on_shapes_alone() -> None:
    model = mlp(3, nn.Tanh)
    same = torch.zeros(64, dtype=torch.long)
    of_shape = gm.predict(model, (64, 64), "cross_entropy", targets=same)
    random = gm.predict(model, (64, 64), "cross_entropy", targets=torch.arange(64) % 10)
    assert grads(of_shape)["6.bias"] > 1.3 * grads(random)["6.bias"]


def test_targets_that_do_not_fit_are_told_in_one_sentence() -> None:
    with pytest.raises(GradmedicError, match=r"targets of shape \[3\] do not fit an output of shape \[64, 10\]"):
        gm.predict(mlp(1, nn.Tanh), (64, 64), "cross_entropy", targets=torch.zeros(3, dtype=torch.long))
