"""A graph is recognized by its shape alone: the same operations, edges and parameters, whatever the batch."""

import gc
import warnings
from collections.abc import Callable
from weakref import ref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.base.settings import Settings
from gradmedic.probe import Probe
from gradmedic.probe.graph import shape as graph_shape
from gradmedic.probe.graph.graph import starts, walk
from gradmedic.probe.graph.layout import Layout
from gradmedic.probe.graph.shape import MOST, PATIENCE, GraphShape, GraphShapes
from gradmedic.recording.recorder import Recorder

NET = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
OTHER = nn.Linear(4, 4)


def layout_of(loss: Tensor) -> Layout:
    return Layout(walk(starts([loss], scaled=False)))


def shape_of(loss: Tensor) -> GraphShape:
    layout = layout_of(loss)
    _ = layout.execution, layout.feeder, layout.tail, layout.criteria, layout.signals, layout.forks
    return GraphShape(layout, [None] * len(layout.vertices), frozenset())


def recognized(shape: GraphShape, loss: Tensor) -> Layout | None:
    return shape.recognized(list(starts([loss], scaled=False)))


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        return grads[0] * 2


def doubled_and_summed() -> type[torch.autograd.Function]:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.sum()

        @staticmethod
        def backward(ctx: object, *grads: Tensor) -> Tensor:
            return grads[0].expand(3, 4)

    return Doubled


def shared(x: Tensor) -> Tensor:
    h = NET[0](x)
    return torch.sum(h * h)


def apart(x: Tensor) -> Tensor:
    return torch.sum(NET[0](x) * NET[0](x))


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "net": lambda x: NET(x).sum(),
    "mean": lambda x: NET(x).mean(),
    "shorter": lambda x: NET[:3](x).sum(),
    "sigmoid for tanh": lambda x: NET[4](torch.sigmoid(NET[:3](x))).sum(),
    "other weights": lambda x: NET[:4](OTHER(x)).sum(),
    "swapped weights": lambda x: NET[2](F.relu(NET[0](NET[4](x).tanh()))).sum(),
    "residual": lambda x: (NET[0](x) + NET[2](x)).sum(),
    "difference": lambda x: (NET[0](x) - NET[2](x)).sum(),
    "one source twice": shared,
    "two sources": apart,
    "first of two outputs": lambda x: NET[0](x).chunk(2, -1)[0].sum(),
    "second of two outputs": lambda x: NET[0](x).chunk(2, -1)[1].sum(),
    "function": lambda x: Doubled.apply(NET[0](x)).sum(),  # type: ignore[no-untyped-call]
    "function of that name": lambda x: doubled_and_summed().apply(NET[0](x)),  # type: ignore[no-untyped-call]
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_shape_fits_its_own_kind_of_graph_and_no_other(name: str) -> None:
    shape = shape_of(LOSSES[name](torch.randn(3, 4)))
    fitting = [other for other, loss in LOSSES.items() if recognized(shape, loss(torch.randn(3, 4))) is not None]
    assert fitting == ([name] if name != "function of that name" else [])  # a new class at every call


def test_a_layout_that_is_recognized_is_the_one_that_would_be_worked_out() -> None:
    shape = shape_of(LOSSES["net"](torch.randn(3, 4)))
    loss = LOSSES["net"](torch.randn(7, 4))
    seen, true = recognized(shape, loss), layout_of(loss)
    assert seen is not None
    assert [v.node for v in seen.vertices] == [v.node for v in true.vertices]
    for v, w in zip(seen.vertices, true.vertices, strict=True):
        assert (v.name, v.operation, v.sequence, v.inputs, v.consumers) == (
            *(w.name, w.operation, w.sequence),
            *(w.inputs, w.consumers),
        )
        assert v.leaf is w.leaf
        assert v.shape == w.shape
    for what in ("kinds", "parameter", "execution", "feeder", "tail", "criteria", "signals", "forks", "uses"):
        assert getattr(seen, what) == getattr(true, what)


def test_operations_in_another_order_are_another_shape() -> None:
    def loss(first: int) -> Tensor:
        x = torch.ones(3, 4)
        made = {i: NET[i](x) for i in ((0, 2) if first == 0 else (2, 0))}
        return torch.sum(made[0] + made[2])

    shape = shape_of(loss(0))
    assert recognized(shape, loss(0)) is not None
    assert recognized(shape, loss(2)) is None


def test_a_function_of_the_user_s_is_taken_for_what_its_shape_makes_it() -> None:
    class Widened(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor, times: int) -> Tensor:
            return x.repeat(times, 1)

        @staticmethod
        def backward(ctx: object, *grads: Tensor) -> tuple[Tensor, None]:
            return grads[0][:3], None

    def loss(times: int) -> Tensor:
        return Widened.apply(NET[0](torch.ones(3, 4)), times).sum()  # type: ignore[no-any-return, no-untyped-call]

    shape = shape_of(loss(1))
    assert recognized(shape, loss(1)) is not None
    assert recognized(shape, loss(2)) is None


def test_a_parameter_with_another_s_place_or_another_size_is_not_recognized() -> None:
    net = nn.Linear(4, 4)
    shape = shape_of(net(torch.ones(1, 4)).sum())
    net.weight.data = torch.ones(2, 4)
    net.bias.data = torch.ones(2)
    assert recognized(shape, net(torch.ones(1, 4)).sum()) is None
    assert recognized(shape, nn.Linear(4, 4)(torch.ones(1, 4)).sum()) is None


def test_a_shape_keeps_nothing_of_the_script_s_alive() -> None:
    net, x = nn.Linear(4, 4), torch.ones(2, 4, requires_grad=True)
    loss = net(x).relu().sum()
    alive = [ref(net.weight), ref(x), ref(loss)]
    kept = shape_of(loss)
    del net, x, loss
    gc.collect()
    assert [weak() for weak in alive] == [None] * 3
    assert kept.sites


def test_few_shapes_of_a_stream_are_kept_and_none_where_all_differ() -> None:
    shapes = GraphShapes()

    def meet(length: int, keep: bool = True) -> bool:
        loss = nn.Sequential(*[NET[0]] * length)(torch.ones(1, 4)).sum()
        found = shapes.recognized(0, starts([loss], scaled=False))
        if found is None and keep:
            layout = layout_of(loss)
            shapes.keep(0, layout, [None] * len(layout.vertices), frozenset())
        return found is not None

    assert [meet(n) for n in range(1, MOST + 1)] == [False] * MOST
    assert all(meet(n) for n in range(1, MOST + 1))
    assert not meet(MOST + 1)
    assert not meet(1, keep=False)
    assert meet(MOST)
    assert not any(meet(n) for n in range(10, 11 + PATIENCE))
    assert not meet(10 + PATIENCE)


def test_large_graphs_are_not_kept_by_the_dozen(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [NET(torch.ones(1, 4)).sum(), NET(torch.ones(1, 4)).mean()]
    layouts = [layout_of(loss) for loss in losses]
    for most, found in ((2, [True, True]), (1.5, [False, True]), (0.5, [False, False])):
        monkeypatch.setattr(graph_shape, "LARGEST", most * len(layouts[0].vertices))
        shapes = GraphShapes()
        for layout in layouts:
            shapes.keep(0, layout, [None] * len(layout.vertices), frozenset())
        starting = [starts([loss], scaled=False) for loss in losses]
        assert [shapes.recognized(0, nodes) is not None for nodes in starting] == found


def captures(steps: int, forward: Callable[[nn.Module, int], Tensor]) -> tuple[list[set[int]], dict[int, str]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    optimizer, recorder = torch.optim.SGD(model.parameters(), 0.1), Recorder({})
    with Probe(recorder, Settings(every=1)), warnings.catch_warnings():
        for step in range(steps):
            optimizer.zero_grad()
            forward(model, step).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    recording = recorder.recording()
    return [set(c.sites) for c in recording.captures], {key: site.name for key, site in recording.sites.items()}


def test_a_step_whose_graph_is_new_while_nobody_listens_is_left_out_and_the_next_has_its_modules() -> None:
    def forward(model: nn.Module, step: int) -> Tensor:
        out = model(torch.ones(3, 4))
        return torch.sum(out if step < 20 else out.sigmoid())

    seen, names = captures(24, forward)
    assert len(seen) == 23
    assert len(set(map(frozenset, seen))) == 2
    assert sorted(names.values()) == ["model.0", "model.1", "model.2", "sigmoid", "sum"]


def test_batches_of_another_size_are_read_as_the_others() -> None:
    seen, names = captures(20, lambda model, step: model(torch.ones(3 + step % 3, 4)).sum())
    assert len(seen) == 20
    assert len(set(map(frozenset, seen))) == 1
    assert sorted(names.values()) == ["model.0", "model.1", "model.2", "sum"]


def test_gradients_that_are_added_up_clipped_or_cleared_are_told_as_by_hooks() -> None:
    """Leaves that hold what has arrived are read after the pass; whoever else writes to them is noticed."""
    torch.manual_seed(0)
    last = nn.Linear(4, 1)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), last)
    recorder = Recorder({})
    last.weight.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    x = torch.randn(5, 4)
    with Probe(recorder, Settings(every=1)):
        for step in range(16):
            for _ in range(1 + step // 12):
                model(x).sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
            optimizer.step()
            optimizer.zero_grad()
    recording = recorder.recording()
    rows = [c.parameters for c in recording.captures]
    assert len(rows) >= 16
    (key,) = (key for key, p in recording.parameters.items() if p.name.endswith("2.weight"))
    for row in rows:
        assert row[key]["grad_norm"] == pytest.approx(rows[0][key]["grad_norm"])
    ledgers = [c.ledgers for c in recording.captures]
    assert len({len(told) for told in ledgers}) == 1
    for told in ledgers:
        assert [entry.decades for entry in told[0].entries] == pytest.approx(
            [entry.decades for entry in ledgers[0][0].entries]
        )
