"""The walk finds every node once, inputs before consumers, whatever the graph looks like."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gradmedic.probe.graph.graph import Graph, starts, walk
from gradmedic.probe.torch_internals import PACKING


def graph_of(*roots: Tensor) -> Graph:
    return walk(starts(roots, scaled=False))


def ops(graph: Graph) -> list[str]:
    return [vertex.operation.op for vertex in graph.vertices if vertex.leaf is None]


def grown(choices: list[tuple[int, int, bool]]) -> list[Tensor]:
    """Tensors that are each made from two earlier ones; some of these are leaves."""
    made: list[Tensor] = [torch.ones(2, requires_grad=True)]
    for first, second, leaf in choices:
        if leaf:
            made.append(torch.ones(2, requires_grad=True))
        else:
            made.append(made[first % len(made)] * made[second % len(made)])
    return made


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.booleans()), max_size=30))
def test_inputs_come_before_consumers_and_edges_agree(choices: list[tuple[int, int, bool]]) -> None:
    root = torch.stack(grown(choices)).sum()
    graph = graph_of(root)
    assert len({vertex.node for vertex in graph.vertices}) == len(graph.vertices)
    forward = {(j, i, slot) for j, v in enumerate(graph.vertices) for i, slot in v.consumers}
    backward = {
        (edge[0], i, slot)
        for i, v in enumerate(graph.vertices)
        for slot, edge in enumerate(v.inputs)
        if edge is not None
    }
    assert forward == backward
    assert all(j < i for j, i, _ in forward)
    assert graph.vertices[graph.roots[0]].node is root.grad_fn
    leaves = [vertex.leaf for _, vertex in graph.leaves()]
    assert len({id(leaf) for leaf in leaves}) == len(leaves) == 1 + sum(leaf for *_, leaf in choices)


def test_a_chain_of_thousands_is_walked_without_recursion() -> None:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1
    graph = graph_of(y)
    assert len(graph.vertices) == 20_001
    assert graph.vertices[0].leaf is x


def test_shared_and_constant_inputs() -> None:
    x = torch.ones(2, requires_grad=True)
    graph = graph_of(x * x + torch.ones(2))
    assert ops(graph) == ["mul", "add"]
    leaf, product, total = graph.vertices
    assert leaf.consumers == [(1, 0), (1, 1)]
    assert product.inputs == [(0, 0), (0, 0)]
    assert total.inputs == [(1, 0), None]


def test_several_roots_and_roots_without_a_graph() -> None:
    x = torch.ones(2, requires_grad=True)
    a, b = x.exp(), x.sin()
    graph = graph_of(a, torch.ones(1), b, a)
    assert ops(graph) == ["exp", "sin"]
    assert [graph.vertices[i].operation.op for i in graph.roots] == ["exp", "sin"]
    assert graph_of(torch.ones(1)).vertices == []


def test_the_scalers_own_product_is_left_out() -> None:
    loss = torch.ones(2, requires_grad=True).exp().sum()
    scaled = torch.amp.GradScaler("cpu").scale(loss)
    assert ops(walk(starts([scaled], scaled=True))) == ["exp", "sum"]
    assert ops(walk(starts([scaled], scaled=False))) == ["exp", "sum", "mul"]


def test_saved_tensors_are_read_while_they_live() -> None:
    x = torch.tensor([-1.0, 2.0], requires_grad=True)
    y = x.relu()
    vertex = graph_of(y).vertices[-1]
    assert torch.equal(vertex.tensor("result"), torch.tensor([0.0, 2.0]))
    assert vertex.tensor("no_such_thing") is None
    assert (vertex.shape, vertex.dtype) == ((2,), "float32")
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert vertex.tensor("result") is None


def test_a_saved_tensor_that_was_overwritten_is_not_read() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x.sigmoid()
    vertex = graph_of(y).vertices[-1]
    with torch.no_grad():
        y.zero_()
    assert vertex.tensor("result") is None


@pytest.mark.skipif(not PACKING.there, reason="this torch does not tell packed tensors from others")
def test_what_somebody_else_has_packed_is_left_packed() -> None:
    unpacked: list[Tensor] = []

    def unpack(packed: Tensor) -> Tensor:
        unpacked.append(packed)
        return packed

    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, unpack):
        y = torch.ones(2, requires_grad=True).exp()
    assert graph_of(y).vertices[-1].tensor("result") is None
    assert unpacked == []


def test_a_graph_of_a_graph() -> None:
    x = torch.ones(2, requires_grad=True)
    (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    graph = graph_of(slope.square().sum())
    assert [vertex.leaf is x for _, vertex in graph.leaves()] == [True]
    assert len(graph.vertices) > 3
