"""At the edge of chaos: what is critical in theory is flat when measured."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.nets import Function, Functional, Residual, data, decades, mlp, same, spread, state
from torch import Tensor, nn

from gradmedic import predict
from gradmedic.prediction import init
from gradmedic.theory.activations import activation
from gradmedic.theory.kernels.moments import moments

SMOOTH: dict[str, Function] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "softplus": F.softplus,
    "hardsigmoid": F.hardsigmoid,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_functional_activations_of_every_kind_keep_the_gradient(name: str) -> None:
    model = Functional(16, 96, SMOOTH[name])
    init.critical_(model, data(), seed=0)
    assert spread(model, data()) < 0.4  # the default of torch: 3 to 14 decades


@pytest.mark.parametrize("name", ["tanh", "elu", "sigmoid", "gelu"])
def test_chi_of_each_layer_is_one(name: str) -> None:
    model = Functional(4, 256, SMOOTH[name])
    init.critical_(model, seed=0)
    slope = moments(activation(name), 1.0).d2
    for i in range(1, 4):
        chi = 256 * float(model.get_parameter(f"layers.{i}.weight").detach().square().mean()) * slope
        assert chi == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("law", ["orthogonal", "normal", "uniform"])
def test_every_law_has_the_variance_that_is_asked_for(law: str) -> None:
    model = Functional(3, 256, torch.tanh)
    init.critical_(model, seed=0, law=law)
    weight = model.get_parameter("layers.1.weight")
    assert 256 * float(weight.detach().square().mean()) == pytest.approx(
        1 / moments(activation("tanh"), 1.0).d2, rel=0.03
    )
    if law == "orthogonal":
        gram = weight.detach() @ weight.detach().T
        assert torch.allclose(gram, torch.eye(256) * gram[0, 0], atol=1e-4)


@pytest.mark.parametrize("kind", [nn.Tanh, nn.GELU, nn.Sigmoid, nn.ReLU])
def test_without_biases_the_gradient_keeps_its_size_while_the_signal_fades(kind: Callable[[], nn.Module]) -> None:
    layers = [m for _ in range(24) for m in (nn.Linear(96, 96, bias=False), kind())]
    model = nn.Sequential(nn.Linear(8, 96, bias=False), kind(), *layers, nn.Linear(96, 3))
    init.critical_(model, data(), seed=0)
    assert spread(model, data()) < 0.9  # the default of torch: 8 to 20


def test_signals_have_the_size_that_is_asked_for_on_the_batch() -> None:
    model = mlp(8, 64, nn.Tanh(), 64, nn.Tanh(), 64, nn.Tanh(), 3)
    init.critical_(model, data(512) * 50, q=0.5, seed=0)
    x = data(512) * 50
    for module in list(model)[:-1]:
        x = module(x)
        if isinstance(module, nn.Linear):
            assert float(x.detach().square().mean()) == pytest.approx(0.5, rel=0.2)
    assert float(model[-1](x).detach().square().mean()) == pytest.approx(1.0, rel=0.05)


def test_plain_residual_branches_do_not_double_the_stream_each_time() -> None:
    model = Residual(24, 64)
    init.he_(model, data(), gain="relu", seed=0)
    with_he = model(data()).detach().square().mean().log10()
    init.critical_(model, data(), seed=0)
    assert spread(model, data()) < 1.2
    assert float(model(data()).detach().square().mean()) == pytest.approx(1.0, rel=0.1)
    assert with_he > 24 * math.log10(2) - 3


def test_each_branch_adds_its_share() -> None:
    model = Residual(10, 64)
    done = init.critical_(model, data(), seed=0)
    assert "1/10" in str(done["down.3.weight"].why)
    x = model.first(data())
    branch = model.down[0](F.relu(model.up[0](x)))
    assert float(branch.detach().square().mean() / x.detach().square().mean()) == pytest.approx(0.1, rel=0.1)


class Skips(nn.Module):
    """A residual network that bends its stream, with a shortcut that has weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 16, 3, padding=1), nn.Linear(32, 5)
        self.a, self.b = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.c, self.d, self.short = (
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.Conv2d(16, 32, 1, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(self.b(F.relu(self.a(x))) + x)
        x = F.relu(self.d(F.relu(self.c(x))) + self.short(x))
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def test_a_shortcut_with_weights_is_a_stream_too() -> None:
    model = Skips()
    done = init.critical_(model, torch.randn(8, 3, 12, 12), seed=0)
    assert "1/2" in str(done["d.weight"].why)
    assert "1/2" in str(done["b.weight"].why)
    assert str(done["short.weight"].why) == "mixes a stream"


def test_norms_with_an_activation_behind_take_the_part_of_biases() -> None:
    block = [module for _ in range(12) for module in (64, nn.LayerNorm(64), nn.Tanh())]
    model = mlp(8, *block, 3)
    init.lsuv_(model, data(), seed=0)
    before = spread(model, data())
    init.critical_(model, data(), seed=0)
    assert spread(model, data()) < before / 2


def test_balanced_weights_sum_to_zero_for_each_unit() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Sigmoid(), nn.Conv2d(16, 16, 3), nn.Sigmoid(), nn.Conv2d(16, 4, 3))
    init.critical_(model, torch.randn(4, 3, 12, 12), seed=0)
    weight = model.get_parameter("2.weight")
    assert float(weight.detach().sum(1).abs().max()) < 1e-5  # at every tap, so that borders make no difference
    assert float(model.get_parameter("0.weight").detach().sum((1, 2, 3)).abs().max()) > 1e-2


def test_without_balance_sigmoid_goes_where_it_is_critical_without() -> None:
    model = Functional(8, 64, torch.sigmoid)
    init.critical_(model, seed=0, balance=False)
    weight = model.get_parameter("layers.3.weight")
    assert 8.0 * float(weight.detach().std()) == pytest.approx(10.149, rel=0.02)


def test_a_function_that_jumps_has_no_critical_point_and_is_told() -> None:
    model = Functional(3, 64, F.hardshrink)
    done = init.critical_(model, data(), seed=0)
    assert "no critical point" in str(done["layers.1.weight"].why)
    x = F.hardshrink(model.layers[0](data()))
    assert float(model.layers[1](x).detach().square().mean()) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_transformer_stays_flat_in_both_orders(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=norm_first)
    model = nn.Sequential(
        nn.Linear(8, 32), nn.TransformerEncoder(layer, 6, enable_nested_tensor=False), nn.Linear(32, 3)
    )
    x = torch.randn(16, 12, 8)
    done = init.critical_(model, x, seed=0)
    assert "1/12" in str(done["1.layers.3.self_attn.out_proj.weight"].why)
    first, second = (model.get_parameter(f"1.layers.{i}.linear1.weight") for i in range(2))
    assert not torch.equal(first, second)  # torch copies one layer six times
    found = _norms_of_layers(model, x)
    assert max(found) - min(found) < 0.35


def _norms_of_layers(model: nn.Module, x: Tensor) -> list[float]:
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        outputs.append(output)

    for layer in model.modules():
        if isinstance(layer, nn.TransformerEncoderLayer):
            layer.register_forward_hook(keep)
    F.cross_entropy(model(x).mean(1), torch.arange(len(x)) % 3).backward()  # type: ignore[no-untyped-call]
    return [float(output.grad.norm().log10()) for output in outputs if output.grad is not None]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_gates_that_keep_the_state_are_open_as_long_as_sequences_are(kind: Callable[..., nn.RNNBase]) -> None:
    model = kind(8, 64, batch_first=True)
    init.critical_(model, torch.randn(2, 40, 8), seed=0)
    kept = model.get_parameter("bias_ih_l0")[64:128].sigmoid().detach()
    assert float(kept.min()) > 0.4
    assert float(kept.max()) < 1 - 1 / 50
    assert not model.get_parameter("bias_hh_l0").any()
    for gate in model.get_parameter("weight_hh_l0").detach().reshape(-1, 64, 64):
        assert torch.allclose(gate @ gate.T, torch.eye(64), atol=1e-4)


@pytest.mark.parametrize("kind", ["tanh", "relu"])
def test_a_plain_recurrence_hands_its_gradient_through_time(kind: str) -> None:
    model = nn.RNN(8, 64, nonlinearity=kind)
    init.critical_(model, seed=0)
    x = torch.randn(60, 16, 8, requires_grad=True)
    model(x)[0][-1].square().sum().backward()
    assert x.grad is not None
    early, late = (float(x.grad[t].norm().log10()) for t in (5, 55))
    assert abs(early - late) < 1.0  # 50 steps of torch's default lose 13 decades


def test_a_recurrence_that_is_written_out_is_seen_as_one() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.put, self.keep, self.head = nn.Linear(8, 64), nn.Parameter(torch.randn(64, 64)), nn.Linear(64, 3)

        def forward(self, x: Tensor) -> Tensor:
            state = x.new_zeros(x.shape[1], 64)
            for now in x:
                state = torch.tanh(self.put(now) + state @ self.keep)
            logits: Tensor = self.head(state)
            return logits

    model = Cell()
    done = init.critical_(model, torch.randn(12, 4, 8), seed=0)
    assert "a state" in str(done["keep"].why)
    assert 8.0 * done["keep"].after.std == pytest.approx(1.4674, rel=0.01)
    assert "15%" in str(done["put.weight"].why)


def test_tied_tables_are_drawn_as_the_output_wants_them() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.mix = nn.Embedding(50, 64), nn.Linear(64, 64)

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.mix(self.table(x))) @ self.table.weight.T

    done = init.critical_(Tied(), torch.randint(50, (2, 6)), seed=0)
    assert done["table.weight"].after.std == pytest.approx(1 / 8, rel=0.05)


def test_branches_are_as_small_as_the_stream_that_they_join() -> None:
    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(50, 64), nn.Embedding(6, 64)
            self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(4))
            self.up = nn.ModuleList(nn.Linear(64, 128) for _ in range(4))
            self.down = nn.ModuleList(nn.Linear(128, 64) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            y = self.words(x) + self.places(torch.arange(6))
            for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
                y = y + down(F.relu(up(norm(y))))
            return F.layer_norm(y, (64,)) @ self.words.weight.T

    model = Language()
    done = init.critical_(model, torch.randint(50, (8, 6)), seed=0)
    assert done["places.weight"].after.std == pytest.approx(1 / 8, rel=0.15)  # or places would drown the words
    branch = model.down[0](F.relu(model.up[0](torch.randn(100, 64))))
    assert float(branch.detach().square().mean()) == pytest.approx(2 / 64 / 4, rel=0.2)


def test_the_way_in_which_uses_were_found_is_told() -> None:
    model = Functional(3, 16, torch.tanh)
    told = [str(init.critical_(model, batch).how) for batch in (data(), (4, 8), None)]
    assert "the batch" in told[0]
    assert "4x8" in told[1]
    assert "a guess" in told[2]


def test_a_guess_leaves_nothing_of_itself_in_the_model() -> None:
    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.seen = nn.Linear(8, 4), list[torch.device]()

        def forward(self, x: Tensor) -> Tensor:
            self.seen.append(x.device)
            y: Tensor = self.layer(x)
            return y

    model = Keeps()
    init.critical_(model)
    assert model.seen == []


def test_where_no_pass_can_be_made_the_modules_tell() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(8, 64, nn.Tanh(), 64, nn.Tanh(), 3)

        def forward(self, x: Tensor, needed: Tensor) -> Tensor:
            y: Tensor = self.net(x) + needed
            return y

    model = Stubborn()
    done = init.critical_(model, seed=0)
    assert "order" in str(done.how)
    assert 8.0 * done["net.2.weight"].after.std == pytest.approx(1.4674, rel=0.01)


@pytest.mark.parametrize("name", ["sigmoid", "gelu", "tanh"])
def test_what_is_drawn_is_what_theory_recommends_and_what_it_predicts_is_measured(name: str) -> None:
    model = Functional(10, 128, SMOOTH[name])
    init.critical_(model, (64, 8), seed=0)
    found = predict(model, data(), loss="cross_entropy")
    assert found.recommended is not None
    predicted, recommended = ({w.name: w.grad for w in p.weights if w.grad} for p in (found, found.recommended))
    F.cross_entropy(model(data()), torch.arange(64) % 3).backward()  # type: ignore[no-untyped-call]
    for i in range(10):
        name = f"layers.{i}.weight"
        grad = model.get_parameter(name).grad
        assert grad is not None
        assert predicted[name].low / 1.5 < float(grad.norm()) < predicted[name].high * 1.5
        assert predicted[name].middle == pytest.approx(recommended[name].middle, rel=0.2)


mixtures = st.lists(st.sampled_from(sorted(SMOOTH)), min_size=4, max_size=14)


@settings(max_examples=12)
@given(
    st.lists(st.sampled_from(sorted(SMOOTH)), min_size=4, max_size=14),
    st.integers(48, 96),
    st.integers(0, 3),
    st.booleans(),
)
def test_activations_may_be_mixed(names: list[str], width: int, seed: int, fitted: bool) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(8, width), nn.Linear(width, 3)
            self.layers = nn.ModuleList(nn.Linear(width, width) for _ in names)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            for name, layer in zip(names, self.layers, strict=True):
                x = layer(SMOOTH[name](x))
            logits: Tensor = self.head(x)
            return logits

    model = Mixed()
    before = state(model)
    done = init.critical_(model, data() if fitted else (64, 8), seed=seed)
    assert spread(model, data()) < 0.8
    done.undo()
    assert same(before, state(model))


def test_gradients_of_a_deep_sigmoid_network_reach_the_first_layer() -> None:
    model = Functional(40, 96, torch.sigmoid)
    init.lsuv_(model, data(), seed=0)
    lost = decades(model, data())
    init.critical_(model, data(), seed=0)
    kept = decades(model, data())
    assert lost[-1] - lost[0] > 12
    assert abs(kept[-1] - kept[0]) < 0.3
