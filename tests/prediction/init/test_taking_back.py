"""Whatever the method: in place, all or nothing, taken back bit for bit, and nothing else is touched."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as distributed
from support.nets import Functional, data, mlp, same, state
from torch import nn

from gradmedic.base.errors import InitError
from gradmedic.prediction import init

METHODS: dict[str, Callable[..., init.Initialized]] = {
    "critical": init.critical_,
    "lsuv": init.lsuv_,
    "he": init.he_,
    "xavier": init.xavier_,
    "orthogonal": init.orthogonal_,
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def net() -> nn.Module:
    """A bit of everything that has state."""
    return mlp(8, 16, nn.BatchNorm1d(16), nn.ReLU(), 16, nn.Dropout(0.5), nn.GELU(), 16, nn.LayerNorm(16), nn.Tanh(), 3)


@methods
def test_undo_is_exact_to_the_bit(method: Any) -> None:
    model = net()
    before = state(model)
    done = method(model, data())
    assert not same(before, state(model))
    done.undo()
    assert same(before, state(model))


@methods
def test_a_block_ends_with_what_was_before_even_after_training(method: Any) -> None:
    model = net()
    before = state(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with method(model, data()) as done:
        model(data()).sum().backward()
        optimizer.step()
    after = state(model)
    assert len(done) > 4
    assert all(torch.equal(before[change.name], after[change.name]) for change in done.changes)


@methods
def test_random_states_are_as_before(method: Any) -> None:
    model = net()
    ours, pythons = torch.get_rng_state(), random.getstate()
    method(model, data())
    assert torch.equal(ours, torch.get_rng_state())
    assert pythons == random.getstate()


@methods
def test_parameters_stay_where_they_are_and_the_optimizer_knows_nothing(method: Any) -> None:
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    model(data()).sum().backward()
    optimizer.step()
    places = [(id(p), p.data_ptr(), p.requires_grad, p.grad) for p in model.parameters()]
    moments = {key: value.clone() for s in optimizer.state.values() for key, value in s.items()}
    method(model, data())
    assert places == [(id(p), p.data_ptr(), p.requires_grad, p.grad) for p in model.parameters()]
    now = {key: value for s in optimizer.state.values() for key, value in s.items()}
    assert all(torch.equal(moments[key], now[key]) for key in moments)


@methods
@pytest.mark.parametrize("training", [True, False])
def test_buffers_and_modes_are_as_before(method: Any, training: bool) -> None:
    model = net().train(training)
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    method(model, data())
    assert all(torch.equal(b, buffers[name]) for name, b in model.named_buffers())
    assert all(module.training == training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@methods
def test_one_seed_draws_the_same_and_another_one_others(method: Any) -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)  # of dropout, which is none of the method's business
        model = net().eval()
        method(model, data(), seed=seed)
        drawn.append(state(model))
    assert same(drawn[0], drawn[1])
    assert not same(drawn[0], drawn[2])


@methods
def test_frozen_weights_and_those_to_skip_are_left_alone(method: Any) -> None:
    model = mlp(8, 16, nn.ReLU(), 16, nn.ReLU(), 16, nn.ReLU(), 3)
    model.get_parameter("2.weight").requires_grad_(False)
    before = state(model)
    done = method(model, data(), skip=["4.*"])
    after = state(model)
    assert torch.equal(before["2.weight"], after["2.weight"])
    assert torch.equal(before["4.weight"], after["4.weight"])
    assert torch.equal(before["4.bias"], after["4.bias"])
    assert not torch.equal(before["0.weight"], after["0.weight"])
    assert {"2.weight", "4.weight"}.isdisjoint(change.name for change in done.changes)
    method(model, data(), frozen=True)
    assert not torch.equal(before["2.weight"], model.get_parameter("2.weight"))
    assert not model.get_parameter("2.weight").requires_grad


@methods
def test_nothing_has_changed_if_anything_fails(method: Any) -> None:
    class Weak(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.calls = nn.Linear(8, 8), 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if not torch.is_grad_enabled():  # as when sizes are measured
                raise RuntimeError("out of memory")
            y: torch.Tensor = self.layer(x)
            return y

    model = Weak()
    before = state(model)
    try:
        method(model, data())
    except RuntimeError:
        assert same(before, state(model))
    else:
        assert method not in (init.critical_, init.lsuv_)


@methods
def test_weights_that_are_shared_are_drawn_once(method: Any) -> None:
    shared = nn.Linear(16, 16)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(16, 3))
    done = method(model, data())
    assert [change.name for change in done.changes].count("2.weight") == 1
    assert model.get_parameter("2.weight") is model.get_parameter("4.weight")


@methods
@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, None], ids=["parametrized", "hook"])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weight_norm_is_seen_through(method: Any, norm: Any) -> None:
    wrap = norm or nn.utils.weight_norm
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), wrap(nn.Linear(16, 16)), nn.ReLU(), nn.Linear(16, 3))
    plain = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    before = state(model)
    done = method(model, data(), seed=3)
    method(plain, data(), seed=3)
    assert torch.allclose(model(data()), plain(data()), atol=1e-5)
    assert done["2.weight"].after.std == pytest.approx(
        float(plain.get_parameter("2.weight").detach().std(correction=0)), rel=1e-4
    )
    done.undo()
    assert same(before, state(model))


@methods
@pytest.mark.parametrize(
    ("model", "says"),
    [
        (nn.Sequential(nn.LazyLinear(3)), "0.weight is lazy"),
        (nn.Linear(8, 3, device="meta"), "weight is on the meta device"),
        (nn.utils.parametrizations.spectral_norm(nn.Linear(8, 3)), "weight is made by SpectralNorm"),
        (nn.utils.parametrizations.orthogonal(nn.Linear(8, 8)), "weight is made by Orthogonal"),
    ],
    ids=["lazy", "meta", "spectral", "orthogonal"],
)
def test_what_cannot_be_drawn_is_refused_by_name(method: Any, model: nn.Module, says: str) -> None:
    with pytest.raises(InitError, match=says):
        method(model, data())


def test_what_a_parametrization_makes_can_be_left_out() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.utils.parametrizations.spectral_norm(nn.Linear(8, 3)))
    done = init.critical_(model, data(), skip=["2.weight"])
    assert {change.name for change in done.changes} == {"0.weight", "0.bias"}


@methods
def test_a_compiled_model_is_initialized_as_what_it_is_made_of(method: Any) -> None:
    model = mlp(8, 16, nn.ReLU(), 3)
    compiled = torch.compile(model, backend="eager")
    assert method(compiled, data())["0.weight"].shape == (16, 8)


@pytest.fixture
def _one_rank(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/ranks", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@methods
@pytest.mark.usefixtures("_one_rank")
def test_ranks_must_not_get_weights_of_their_own(method: Any) -> None:
    model = nn.parallel.DistributedDataParallel(mlp(8, 16, nn.ReLU(), 3))
    with pytest.raises(InitError, match="each rank"):
        method(model, data())
    with pytest.raises(InitError, match="each rank"):
        method(model, data(), seed=1)
    if method is not init.lsuv_:
        assert method(model, (4, 8), seed=1)["0.weight"].shape == (16, 8)


def test_low_precision_weights_get_the_same_values_rounded() -> None:
    models = [Functional(3, 16, torch.tanh), Functional(3, 16, torch.tanh).bfloat16()]
    for model in models:
        init.critical_(model, seed=0)
    assert torch.equal(
        models[0].get_parameter("layers.1.weight").bfloat16(), models[1].get_parameter("layers.1.weight")
    )


def test_rows_for_padding_stay_zero() -> None:
    model = nn.Sequential(nn.Embedding(20, 16, padding_idx=3), nn.Linear(16, 4))
    init.critical_(model, torch.randint(20, (2, 5)))
    assert not model.get_parameter("0.weight")[3].any()
    assert float(model.get_parameter("0.weight").detach().std()) == pytest.approx(1.0, rel=0.15)


def test_what_was_changed_is_told_in_a_table() -> None:
    model = Functional(20, 16, torch.sigmoid)
    text = str(init.critical_(model, data()))
    assert "layers.1-19.weight (19)" in text
    assert "sum to zero" in text
    assert len(text.splitlines()) < 12
    assert "权重" in init.critical_(model, data()).to_text("zh")
