"""Reduced precision, sparse gradients, and modules that make their weights late or of other weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.nn.utils.rnn import pack_padded_sequence

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording

Make = Callable[[], tuple[nn.Module, Callable[[], Tensor]]]


def autocast() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 1))

    def loss() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out = net(torch.randn(16, 4))
        total: Tensor = out.float().square().mean()
        return total

    return net, loss


def embedding() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.Embedding(20, 3, sparse=True)
    return net, lambda: net(torch.tensor([1, 2, 2, 5])).square().sum()


def lazy() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(1))
    net(torch.zeros(2, 4))
    return net, lambda: net(torch.randn(6, 4)).square().mean()


def weight_normed() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.Sequential(weight_norm(nn.Linear(4, 8)), nn.Tanh(), nn.Linear(8, 1))
    return net, lambda: net(torch.randn(6, 4)).square().mean()


def spectral_normed() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.Sequential(spectral_norm(nn.Linear(4, 8)), nn.Tanh(), nn.Linear(8, 1))
    return net, lambda: net(torch.randn(6, 4)).square().mean()


def attention() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.MultiheadAttention(8, 2, batch_first=True)

    def loss() -> Tensor:
        x = torch.randn(2, 5, 8)
        total: Tensor = net(x, x, x)[0].square().mean()
        return total

    return net, loss


def encoder() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return net, lambda: net(torch.randn(2, 5, 8))[..., 0].square().mean()


def packed() -> tuple[nn.Module, Callable[[], Tensor]]:
    net = nn.GRU(3, 4)

    def loss() -> Tensor:
        sequence = pack_padded_sequence(torch.randn(5, 3, 3), torch.tensor([5, 3, 2]))
        total: Tensor = net(sequence)[1].square().mean()
        return total

    return net, loss


ALL = [autocast, embedding, lazy, weight_normed, spectral_normed, attention, encoder, packed]


def train(make: Make) -> list[Tensor]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net, loss = make()
    kind: Any = torch.optim.SparseAdam if make is embedding else torch.optim.Adam
    optimizer = kind(list(net.parameters()), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return [parameter.detach() for parameter in net.parameters()]


def watched(make: Make) -> Recording:
    expected = train(make)
    with Probe(recorder := Recorder({}), Settings(every=1)):
        weights = train(make)
    assert all(map(torch.equal, weights, expected))
    assert not recorder.recording().events_of("failure")
    return recorder.recording()


@pytest.mark.parametrize("make", ALL)
def test_every_parameter_is_named_and_measured_and_training_unchanged(make: Make) -> None:
    recording = watched(make)
    torch.manual_seed(0)
    names = {name for name, _ in make()[0].named_parameters()}
    assert {parameter.name for parameter in recording.parameters.values()} == names
    for capture in recording.captures:
        assert set(capture.parameters) == set(recording.parameters)
        for columns in capture.parameters.values():
            assert columns["grad"] == 1
            assert columns["grad_rms"] >= 0
            assert "update_rms" in columns
    assert recording.captures[-1].sites


def test_values_in_bfloat16_are_read() -> None:
    recording = watched(autocast)
    (site,) = (site for site in recording.sites.values() if site.op == "sigmoid")
    assert site.dtype == "bfloat16"
    columns = recording.captures[0].sites[site.id]
    assert columns["value_mean"] == pytest.approx(0.5, abs=0.1)
    assert columns["saturated"] == 0
    assert columns["grad_rms"] > 0


def test_a_sparse_gradient_has_the_size_of_its_rows() -> None:
    torch.manual_seed(0)
    net, loss = embedding()
    loss().backward()  # type: ignore[no-untyped-call]
    (weight,) = net.parameters()
    assert weight.grad is not None
    expected = float(weight.grad.to_dense().norm())
    (columns,) = watched(embedding).captures[0].parameters.values()
    assert columns["grad_norm"] == pytest.approx(expected, rel=1e-5)


def test_normalized_weights_still_count_as_weights() -> None:
    for make in (weight_normed, spectral_normed):
        names = {site.name for site in watched(make).sites.values() if site.kind == "weights"}
        assert "2" in names
        assert len(names) >= 2
