"""The ledger is exact: over any graph its entries sum to the decades between the loss and the leaf."""

from collections.abc import Callable
from math import log10

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.probe.failures import Failures
from gradmedic.probe.graph.graph import walk
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.reading.capture_columns import Sheet
from gradmedic.probe.reading.forward_values import Activity
from gradmedic.probe.reading.ledger_booking import book
from gradmedic.probe.reading.node_hooks import NodeHooks
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.recorder import Recorder
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind

WIDTH = 3

BLOCKS = ["layer", "shared", "residual", "dense", "product", "attention", "norm", "tanh", "sigmoid", "scale", "twice"]


class Clock:
    step = 0


def grow(blocks: list[str], x: Tensor, weights: list[Tensor]) -> Tensor:
    """One block after the other; `shared` uses the first weight again, `twice` doubles a branch."""
    for block, weight in zip(blocks, weights, strict=True):
        y = x @ weight
        match block:
            case "layer":
                x = y
            case "shared":
                x = torch.tanh(x @ weights[0])
            case "residual":
                x = x + torch.tanh(y)
            case "dense":
                x = torch.cat([x, torch.sigmoid(y)], 1)[:, -WIDTH:] + x.sum(1, keepdim=True)
            case "product":
                x = x * torch.sigmoid(y)
            case "attention":
                x = torch.softmax(y @ x.t(), 1) @ x
            case "norm":
                x = functional.layer_norm(y, (WIDTH,))
            case "tanh" | "sigmoid":
                x = getattr(torch, block)(y)
            case "scale":
                x = y * 1e-4
            case "twice":
                x = (y + y.clone()) - 0.5 * y
    return x


def books(loss: Tensor) -> list[tuple[Ledger | None, Tensor]]:
    """The ledger of every leaf, with the leaf."""
    layout = Layout(walk([loss.grad_fn]))
    passed = NodeHooks(layout, [None] * len(layout.vertices), Activity(), Failures(Recorder({}), Clock()))
    passed.arm()
    loss.backward()  # type: ignore[no-untyped-call]
    passed.disarm()
    sheet = Sheet(layout, passed.sites, passed.numbers())
    return [
        (book(layout, passed.sites, sheet.arrivals, sheet.contributions, i, "leaf"), vertex.leaf)
        for i, vertex in layout.graph.leaves()
    ]


def assert_exact(loss: Tensor) -> None:
    for ledger, leaf in books(loss):
        assert ledger is not None
        size = float(torch.linalg.vector_norm(leaf.grad, dtype=torch.float64))
        if size == 0:
            assert ledger.cut is not None
        else:
            assert ledger.cut is None
            assert ledger.start + ledger.total == pytest.approx(log10(size), abs=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=8), st.integers(0, 99), st.integers(1, 3))
def test_entries_sum_to_the_total_for_every_leaf_of_any_graph(blocks: list[str], seed: int, branches: int) -> None:
    torch.manual_seed(seed)
    weights = [torch.randn(WIDTH, WIDTH, requires_grad=True) for _ in blocks]
    out = grow(blocks, torch.randn(4, WIDTH), weights)
    loss = functional.mse_loss(out, torch.zeros_like(out))
    for k in range(1, branches):
        loss = loss + 0.1**k * out.abs().mean() + weights[0].square().sum()
    assert_exact(loss)


@pytest.mark.parametrize("size", [1e-15, 1e-30, 1e-38])
def test_gradients_whose_squares_underflow_are_measured(size: float) -> None:
    weight = torch.ones(3, 3, requires_grad=True)
    ((ledger, leaf),) = books((torch.ones(1, 3) @ weight * size).sum())
    assert ledger is not None
    assert leaf.grad is not None
    assert ledger.start + ledger.total == pytest.approx(log10(3 * size), abs=1e-3 if size < 1e-37 else 1e-6)


def watched(loop: Callable[[], object]) -> Recording:
    torch.set_num_threads(1)
    with Probe(recorder := Recorder({}), Settings(every=1)):
        loop()
    assert not recorder.recording().events_of("failure")
    return recorder.recording()


def plain_net(act: type[nn.Module], init: Callable[[nn.Linear], object], norm: bool = False) -> Recording:
    """Fifty layers of 256 units, one step."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(50):
        linear = nn.Linear(256, 256)
        init(linear)
        layers += [linear, *([nn.BatchNorm1d(256)] if norm else []), act()]
    net = nn.Sequential(*layers, nn.Linear(256, 10))

    def step() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        functional.cross_entropy(net(torch.randn(64, 256)), torch.randint(10, (64,))).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return watched(step)


def deepest(recording: Recording) -> dict[Kind, float]:
    ledger = recording.captures[0].ledgers[0]
    assert ledger.target == "0.weight"
    return ledger.by_kind()


def test_fifty_relu_layers_lose_to_relu_and_weights() -> None:
    """PyTorch's initialization loses a factor sqrt(6) per layer: half of it to the ReLU."""
    kinds = deepest(plain_net(nn.ReLU, lambda linear: None))
    assert kinds[Kind.ACTIVATION] == pytest.approx(-7.5, abs=1)
    assert kinds[Kind.WEIGHTS] == pytest.approx(-11.2, abs=1.5)


def test_batch_norm_gives_back_what_they_take() -> None:
    kinds = deepest(plain_net(nn.ReLU, lambda linear: None, norm=True))
    assert kinds[Kind.NORMALIZATION] == pytest.approx(23.9, abs=2)
    assert kinds[Kind.WEIGHTS] == pytest.approx(-11.3, abs=1.5)
    assert kinds[Kind.ACTIVATION] == pytest.approx(-7.6, abs=1)


def test_large_tanh_layers_gain_by_weights_and_lose_by_saturation() -> None:
    kinds = deepest(plain_net(nn.Tanh, lambda linear: nn.init.normal_(linear.weight)))
    assert kinds[Kind.WEIGHTS] > 30
    assert kinds[Kind.ACTIVATION] < -15


def test_a_dead_relu_cuts_the_ledger() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    nn.init.constant_(net[0].bias, -100.0)  # type: ignore[arg-type]

    def step() -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        net(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()

    ledger = watched(step).captures[0].ledgers[0]
    assert ledger.target == "0.weight"
    assert ledger.cut is not None
    assert (ledger.cut.name, ledger.cut.op) == ("1", "relu")


def test_the_scale_of_a_grad_scaler_is_taken_out() -> None:
    def step(scaled: bool) -> Callable[[], None]:
        def run() -> None:
            torch.manual_seed(0)
            net = nn.Linear(3, 1)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=1024.0)
            scaler.scale(net(torch.randn(5, 3)).square().mean()).backward()
            scaler.step(optimizer)

        return run

    plain, scaled = (watched(step(flag)).captures[0] for flag in (False, True))
    assert scaled.ledgers[0].start == pytest.approx(0.0, abs=1e-9)
    assert scaled.ledgers[0].total == pytest.approx(plain.ledgers[0].total, abs=1e-6)
    (a, *_), (b, *_) = plain.parameters.values(), scaled.parameters.values()
    assert a["grad_norm"] == pytest.approx(b["grad_norm"])


def test_several_roots_have_one_ledger_each_leaf() -> None:
    a, b = (torch.randn(3, 3, requires_grad=True) for _ in range(2))

    def step() -> None:
        x = torch.randn(4, 3)
        torch.autograd.backward([(x @ a).square().mean(), torch.tanh(x @ a @ b).mean()])

    capture = watched(step).captures[0]
    for ledger in capture.ledgers:
        assert ledger.total == pytest.approx(sum(entry.decades for entry in ledger.entries), abs=1e-9)
    assert {ledger.target for ledger in capture.ledgers} <= {"a", "b"}
