"""What the shape of a graph alone tells: weights, junctions, feeders, uses, the tail."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.probe.graph.graph import starts, walk
from gradmedic.probe.graph.layout import RECURS, Layout
from gradmedic.recording.site import Kind


def layout_of(loss: Tensor) -> Layout:
    return Layout(walk(starts([loss], scaled=False)))


def ops(layout: Layout) -> list[str]:
    return [layout.vertices[i].operation.op for i in layout.execution]


def kinds(layout: Layout) -> list[Kind]:
    return [layout.kinds[i] for i in layout.execution]


def at(layout: Layout, op: str, nth: int = 0) -> int:
    return [i for i in layout.execution if layout.vertices[i].operation.op == op][nth]


def test_views_of_a_parameter_are_the_parameter() -> None:
    weight = nn.Parameter(torch.randn(3, 4))
    layout = layout_of((torch.randn(5, 4) @ weight.t().contiguous().view(4, 3)).sum())
    assert ops(layout) == ["matmul", "sum"]
    assert [layout.vertices[leaf].leaf is weight for leaf in layout.own_parameters(at(layout, "matmul"))] == [True]


def test_a_product_of_two_signals_is_attention_not_weights() -> None:
    q, k = nn.Linear(4, 4), nn.Linear(4, 4)
    x = torch.randn(2, 5, 4)
    layout = layout_of((q(x) @ k(x).transpose(1, 2)).softmax(-1).sum())
    assert kinds(layout)[:2] == [Kind.WEIGHTS, Kind.WEIGHTS]
    assert layout.kinds[at(layout, "bmm")] is Kind.ATTENTION
    assert layout.kinds[at(layout, "softmax")] is Kind.ATTENTION


def test_only_a_sum_of_two_signals_is_a_junction() -> None:
    f = nn.Linear(4, 4)
    bias, x = torch.zeros(4, requires_grad=True), torch.randn(2, 4)
    h = f(x)
    layout = layout_of(((f(h) + h) + bias + 1.0).sum())
    sums = [layout.kinds[i] for i in layout.execution if layout.vertices[i].operation.op == "add"]
    assert sums == [Kind.RESIDUAL, Kind.ARITHMETIC, Kind.ARITHMETIC]


def test_feeders_and_weights_upstream() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.ReLU(), nn.Linear(6, 1))
    layout = layout_of(net(torch.randn(3, 4)).sum())
    relu, norm = at(layout, "relu"), at(layout, "layer_norm")
    assert layout.feeder[relu] == norm
    assert layout.weights[relu] == at(layout, "linear", 0)
    assert layout.signals[relu] == (norm,)


def test_the_tail_is_what_comes_after_the_last_weights() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    layout = layout_of(F.cross_entropy(net(torch.randn(5, 4)), torch.tensor([0, 1, 2, 0, 1])))
    tail = [layout.vertices[i].operation.op for i in layout.execution if layout.tail[i]]
    assert tail == ["linear", "log_softmax", "nll_loss"]


def test_fan_in_whichever_way_the_weights_lie() -> None:
    raw = torch.randn(7, 3, requires_grad=True)
    linear, conv = nn.Linear(5, 7), nn.Conv2d(2, 4, 3)
    layout = layout_of((linear(torch.randn(2, 5)) @ raw).sum())
    assert [layout.fan_in(i) for i in layout.execution if layout.applies_weights(i)] == [5, 7]
    layout = layout_of(conv(torch.randn(1, 2, 5, 5)).sum())
    assert layout.fan_in(at(layout, "conv")) == 18
    assert layout.fan_in(at(layout, "sum")) is None


def test_uses_of_one_weight_are_counted_in_time() -> None:
    cell = nn.Linear(3, 3)
    h = torch.zeros(2, 3)
    for _ in range(RECURS + 2):
        h = torch.tanh(cell(h + 1))
    layout = layout_of(h.sum())
    assert [layout.use[i] for i in layout.execution if layout.applies_weights(i)] == list(range(RECURS + 2))
    (chain,) = layout.recurrences.values()
    assert chain == [i for i in layout.execution if layout.applies_weights(i)]


def test_branches_side_by_side_are_no_recurrence() -> None:
    shared = nn.Linear(3, 3)
    layout = layout_of(sum((shared(torch.randn(2, 3)).tanh().sum() for _ in range(RECURS + 2)), torch.zeros(())))
    assert layout.recurrences == {}
    assert [len(users) for users in layout.uses.values()] == [RECURS + 2] * 2


def test_a_function_of_the_users_own_is_an_activation_if_it_keeps_the_shape() -> None:
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return grad

    class Total(Same):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.sum()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return grad.expand(2, 3)

    x = nn.Linear(3, 3)(torch.randn(2, 3))
    layout = layout_of(Total.apply(Same.apply(x)))  # type: ignore[no-untyped-call]
    assert kinds(layout) == [Kind.WEIGHTS, Kind.ACTIVATION, Kind.OPAQUE]
