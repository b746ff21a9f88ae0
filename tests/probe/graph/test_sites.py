"""Every operation has a name, the user's line and its place in the order of execution."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind, Site

Watch = Callable[..., Recording]


def train(model: Callable[[Tensor], Tensor], parameters: Any, steps: int = 3) -> Callable[[], None]:
    def loop() -> None:
        optimizer = torch.optim.SGD(parameters, lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model(torch.randn(6, 4)).mean()
            loss.backward()
            optimizer.step()

    return loop


def trained(watch: Watch, model: nn.Module) -> list[Site]:
    return list(watch(train(model, model.parameters())).in_order(0))


def shown(sites: list[Site]) -> list[tuple[str, str]]:
    return [(site.name, site.op) for site in sites]


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        out: Tensor = grad * (s + x * s * (1 - s))
        return out


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], list[str]]] = {
    "F.relu": (lambda x: F.relu(x), ["relu"]),
    "torch.relu": (lambda x: torch.relu(x), ["relu"]),
    "method": (lambda x: x.tanh(), ["tanh"]),
    "torch.sigmoid": (lambda x: torch.sigmoid(x), ["sigmoid"]),
    "clamp": (lambda x: x.clamp(min=0), ["clamp"]),
    "leaky": (lambda x: F.leaky_relu(x, 0.1), ["leaky_relu"]),
    "elu": (lambda x: F.elu(x), ["elu"]),
    "gelu": (lambda x: F.gelu(x), ["gelu"]),
    "softplus": (lambda x: F.softplus(x), ["softplus"]),
    "maximum": (lambda x: torch.maximum(x, torch.zeros(())), ["maximum"]),
    "in place": (lambda x: x.relu_(), ["relu"]),
    "by hand": (lambda x: x * torch.sigmoid(x), ["sigmoid", "mul"]),
    "softsign": (lambda x: x / (1 + x.abs()), ["abs", "add", "div"]),
}


@pytest.mark.parametrize("how", ACTIVATIONS)
def test_functional_activations_have_name_and_line(watch: Watch, how: str) -> None:
    activate, ops = ACTIVATIONS[how]

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 5)
            self.second = nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.second(activate(self.first(x)))
            return out

    sites = trained(watch, Net())
    assert shown(sites) == [
        ("first", "linear"),
        *((f"first.{op}", op) for op in ops),
        ("second", "linear"),
        ("mean", "mean"),
    ]
    assert [site.order for site in sites] == sorted(site.order for site in sites)
    line = inspect.getsourcelines(activate)[1]
    for site in sites[1:-2]:
        assert (site.file, site.line) == (__file__, line)
        assert site.parameter == "first.weight"
    assert sites[0].line == sites[-2].line == inspect.getsourcelines(Net.forward)[1] + 1
    assert [site.tail for site in sites[-2:]] == [True, True]


def test_a_function_of_the_users_own_shows_where_it_is_defined(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 5)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = Swish.apply(self.first(x))
            return out

    _, swish, _ = trained(watch, Net())
    assert (swish.name, swish.op, swish.kind) == ("first.swish", "swish", Kind.ACTIVATION)
    assert (swish.file, swish.line) == (__file__, inspect.getsourcelines(Swish.forward)[1])


def test_modules_are_named_by_their_path(watch: Watch) -> None:
    model = nn.Sequential(
        nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Dropout(0.5), nn.Sequential(nn.Linear(6, 2), nn.Softmax(dim=1))
    )
    sites = trained(watch, model)
    assert shown(sites) == [
        ("0", "linear"),
        ("1", "layer_norm"),
        ("2", "gelu"),
        ("3", "mul"),
        ("4.0", "linear"),
        ("4.1", "softmax"),
        ("mean", "mean"),
    ]
    assert [(site.module, site.module_type) for site in sites[:3]] == [
        ("0", "Linear"),
        ("1", "LayerNorm"),
        ("2", "GELU"),
    ]
    assert all(site.file == __file__ and site.line for site in sites)
    assert [site.inputs for site in sites] == [(), *((site.id,) for site in sites[:-1])]


def test_a_module_list_in_the_order_of_execution(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for layer in reversed(self.layers):
                x = layer(x).relu()
            return x

    sites = trained(watch, Net())
    assert [site.name for site in sites] == [
        name for i in (2, 1, 0) for name in (f"layers.{i}", f"layers.{i}.relu")
    ] + ["mean"]


def test_a_shared_activation_is_a_site_at_each_of_its_places(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 1)
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.c(self.act(self.b(self.act(self.a(x)))))
            return out

    sites = trained(watch, Net())
    relus = [site for site in sites if site.op == "relu"]
    assert len(relus) == 2
    assert [site.parameter for site in relus] == ["a.weight", "b.weight"]
    assert [site.name for site in relus] == ["act", "act#2"]
    assert [site.repeats for site in sites] == [1] * len(sites)


def test_in_place_operations(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.act(self.a(x))
            z: Tensor = self.b(y)
            z += y
            z[:, 0] = 1.0
            return z

    sites = trained(watch, Net())
    assert [(site.op, site.kind) for site in sites] == [
        ("linear", Kind.WEIGHTS),
        ("relu", Kind.ACTIVATION),
        ("linear", Kind.WEIGHTS),
        ("add", Kind.RESIDUAL),
        ("mean", Kind.ARITHMETIC),
    ]
    assert {site.id for site in sites[1:3]} == set(sites[3].inputs)


def test_raw_tensors_name_their_operations(watch: Watch) -> None:
    w1 = torch.randn(4, 5, requires_grad=True)
    b1 = torch.zeros(5, requires_grad=True)
    w2 = torch.randn(5, 1, requires_grad=True)

    def model(x: Tensor) -> Tensor:
        return torch.tanh(x @ w1 + b1) @ w2

    weights = {"w1": w1, "b1": b1, "w2": w2}
    recording = watch(train(model, weights.values()))
    sites = list(recording.in_order(0))
    assert [(s.op, s.kind) for s in sites] == [
        ("matmul", Kind.WEIGHTS),
        ("add", Kind.ARITHMETIC),
        ("tanh", Kind.ACTIVATION),
        ("matmul", Kind.WEIGHTS),
        ("mean", Kind.ARITHMETIC),
    ]
    assert [site.fan_in for site in sites if site.kind is Kind.WEIGHTS] == [4, 5]
    assert all(site.line == inspect.getsourcelines(model)[1] + 1 for site in sites[:-1])


def test_a_siamese_net_repeats_its_sites(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twin = nn.Sequential(nn.Linear(4, 3), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = (self.twin(x) - self.twin(x + 1)).square()
            return out

    sites = trained(watch, Net())
    assert [(site.name, site.repeats) for site in sites][:2] == [("twin.0", 2), ("twin.1", 2)]


def test_sites_keep_their_identity_over_the_run(watch: Watch) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1))
    recording = watch(train(model, model.parameters(), steps=6))
    assert len(recording.captures) == 6
    assert all(capture.sites.keys() == recording.sites.keys() for capture in recording.captures)


def test_a_script_that_changes_its_path_keeps_what_it_knows(watch: Watch) -> None:
    first, side, last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)
    model = nn.ModuleDict({"first": first, "side": side, "last": last})

    def loop() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for step in range(4):
            optimizer.zero_grad()
            hidden = first(torch.randn(6, 4)).relu()
            hidden = side(hidden).relu() if step % 2 else hidden
            loss = last(hidden).mean()
            loss.backward()
            optimizer.step()

    recording = watch(loop)
    names = [{recording.sites[key].name for key in capture.sites} for capture in recording.captures]
    assert names[0] == names[2] == {"first", "first.relu", "last", "mean"}
    assert names[1] == names[3] == names[0] | {"side", "side.relu"}


def test_attention_residuals_and_norms_have_their_kinds(watch: Watch) -> None:
    block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True, norm_first=True)
    model = nn.ModuleDict({"embed": nn.Linear(4, 4), "block": block})

    def loop() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            loss = block(model["embed"](torch.randn(3, 5, 4))).mean()
            loss.backward()
            optimizer.step()

    sites = list(watch(loop).in_order(0))
    kinds = [site.kind for site in sites]
    assert kinds.count(Kind.NORMALIZATION) == 2
    assert kinds.count(Kind.RESIDUAL) == 2
    assert Kind.ATTENTION in kinds
    assert [site.name for site in sites if site.kind is Kind.WEIGHTS] == [
        "embed",
        "block.self_attn.in_proj_weight",
        "block.self_attn.out_proj",
        "block.linear1",
        "block.linear2",
    ]


def test_convolutions_pools_and_losses_have_their_kinds(watch: Watch) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)
    )

    def loop() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(torch.randn(4, 1, 6, 6)), torch.tensor([0, 1, 0, 1]))
        loss.backward()
        optimizer.step()

    sites = list(watch(loop).in_order(0))
    assert [(site.name, site.kind) for site in sites] == [
        ("0", Kind.WEIGHTS),
        ("1", Kind.NORMALIZATION),
        ("2", Kind.ACTIVATION),
        ("3", Kind.POOLING),
        ("5", Kind.WEIGHTS),
        ("log_softmax", Kind.LOSS),
        ("nll_loss", Kind.LOSS),
    ]
    assert sites[0].fan_in == 9
    assert sites[0].shape == (4, 3, 4, 4)
