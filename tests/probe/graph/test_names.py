"""Modules and tensors bear the names that the script gives them."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.recording.records import Recording
from gradmedic.recording.site import Parameter

Watch = Callable[..., Recording]


def parameters(recording: Recording) -> dict[str, Parameter]:
    return {p.name: p for p in recording.parameters.values()}


def step(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def test_parameters_bear_the_path_of_their_module(watch: Watch) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 1)])
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x).tanh()
            return x * self.gain

    def loop() -> None:
        model = nn.ModuleDict({"block": Block()})
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step(model["block"](torch.randn(4, 3)).sum(), optimizer)

    found = parameters(watch(loop))
    assert list(found) == [
        f"block.{name}" for name in ("gain", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias")
    ]
    assert all(p.optimizer == 0 and p.called and p.registered and p.requires_grad for p in found.values())
    assert found["block.layers.0.weight"].module_type == "Linear"


def test_several_models_are_told_apart_by_their_variables(watch: Watch) -> None:
    def loop() -> None:
        G, D = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(3, 1))  # noqa: N806
        g_opt, d_opt = torch.optim.Adam(G.parameters()), torch.optim.SGD(D.parameters(), lr=0.1)
        for _ in range(2):
            d_opt.zero_grad()
            D(G(torch.randn(4, 2)).detach()).sum().backward()
            d_opt.step()
            g_opt.zero_grad()
            (-D(G(torch.randn(4, 2))).sum()).backward()
            g_opt.step()

    recording = watch(loop)
    found = parameters(recording)
    assert set(found) == {"G.0.weight", "G.0.bias", "D.0.weight", "D.0.bias"}
    kinds = {name: recording.optimizers[p.optimizer].name for name, p in found.items() if p.optimizer is not None}
    assert kinds == {"G.0.weight": "Adam", "G.0.bias": "Adam", "D.0.weight": "SGD", "D.0.bias": "SGD"}
    assert {site.name for site in recording.in_order(1)} == {"G.0", "D.0", "sum", "neg"}


@dataclass
class Weights:
    w: Tensor
    b: Tensor


@pytest.mark.parametrize("every", [1, None])
def test_raw_tensors_bear_the_name_of_their_variable(watch: Watch, every: int | None) -> None:
    def loop() -> None:
        w1 = torch.randn(3, 4, requires_grad=True)
        rest = [torch.randn(4, 4, requires_grad=True), torch.zeros(4, requires_grad=True)]
        head = {"w": torch.randn(4, 2, requires_grad=True)}
        last = Weights(torch.randn(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True))
        layers = [{"w": torch.randn(1, 1, requires_grad=True)}]
        optimizer = torch.optim.SGD([w1, *rest, head["w"], last.w, last.b, layers[0]["w"]], lr=0.1)
        for _ in range(3):
            h = (torch.randn(5, 3) @ w1).relu() @ rest[0] + rest[1]
            step(((h.tanh() @ head["w"]) @ last.w + last.b @ layers[0]["w"]).square().mean(), optimizer)

    recording = watch(loop, every)
    assert set(parameters(recording)) == {"w1", "rest[0]", "rest[1]", "head['w']", "last.w", "last.b", "layers[0]['w']"}
    assert {site.parameter for site in recording.sites.values() if site.name == "w1"} == {"w1"}


def test_raw_tensors_on_the_model_object_of_the_caller(watch: Watch) -> None:
    class Net:
        def __init__(self) -> None:
            self.w = torch.randn(3, 1, requires_grad=True)
            self.layers = [torch.randn(1, 1, requires_grad=True)]

        def train(self) -> None:
            loss = ((torch.randn(5, 3) @ self.w) @ self.layers[0]).square().mean()
            loss.backward()
            for p in (self.w, *self.layers):
                p.data -= 0.1 * p.grad  # type: ignore[operator]
                p.grad = None

    def loop() -> None:
        net = Net()
        for _ in range(3):
            net.train()

    assert set(parameters(watch(loop))) == {"self.w", "self.layers[0]"}


def test_tied_weights_are_one_parameter_with_two_names(watch: Watch) -> None:
    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.embedding(x).tanh())
            return out

    def loop() -> None:
        model = Language()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        step(F.cross_entropy(model(torch.arange(5)), torch.arange(5)), optimizer)

    recording = watch(loop)
    (tied,) = recording.parameters.values()
    assert (tied.name, tied.aliases) == ("embedding.weight", ("head.weight",))
    assert [site.name for site in recording.in_order(0)][:3] == ["embedding", "embedding.tanh", "head"]


def test_frozen_and_unused_parameters_are_known(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Linear(3, 4).requires_grad_(False)
            self.head = nn.Linear(4, 1)
            self.spare = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.backbone(x).relu())
            return out

    def loop() -> None:
        model = Net()
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(2):
            step(model(torch.randn(5, 3)).sum(), optimizer)

    recording = watch(loop)
    found = parameters(recording)
    assert {name: (p.requires_grad, p.called) for name, p in found.items() if name.endswith("weight")} == {
        "backbone.weight": (False, True),
        "head.weight": (True, True),
        "spare.weight": (True, False),
    }
    rows = recording.captures[-1].parameters
    assert rows[found["spare.weight"].id]["grad"] == 0
    assert rows[found["head.weight"].id]["grad"] == 1


def test_parameters_that_no_optimizer_holds(watch: Watch) -> None:
    def loop() -> None:
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
        for _ in range(2):
            step(model(torch.randn(5, 3)).sum(), optimizer)

    found = parameters(watch(loop))
    assert {name: p.optimizer for name, p in found.items()} == {
        "0.weight": None,
        "0.bias": None,
        "2.weight": 0,
        "2.bias": 0,
    }


def test_stale_parameters_that_an_optimizer_still_holds(watch: Watch) -> None:
    def loop() -> None:
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model = nn.Linear(3, 1)
        for _ in range(3):
            step(model(torch.randn(5, 3)).sum(), optimizer)

    recording = watch(loop)
    held = [p for p in recording.parameters.values() if p.optimizer == 0]
    trained = [p for p in recording.parameters.values() if p.optimizer is None]
    assert {p.name for p in trained} == {"weight", "bias"}
    assert len(held) == 2
    last = recording.captures[-1].parameters
    assert all(last[p.id]["grad"] == 0 for p in held)
    assert all(last[p.id]["grad"] == 1 for p in trained)


def test_layers_in_a_plain_list_are_not_registered(watch: Watch) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(3, 3), nn.Linear(3, 3)]
            self.head = nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x).relu()
            out: Tensor = self.head(x)
            return out

    def loop() -> None:
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            step(model(torch.randn(5, 3)).sum(), optimizer)

    found = parameters(watch(loop))
    assert {name: (p.registered, p.optimizer) for name, p in found.items() if name.endswith("weight")} == {
        "layers[0].weight": (False, None),
        "layers[1].weight": (False, None),
        "head.weight": (True, 0),
    }


def test_every_fold_has_a_model_of_its_own(watch: Watch) -> None:
    def fold() -> None:
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            step(model(torch.randn(5, 3)).sum(), optimizer)

    def loop() -> None:
        for _ in range(9):
            fold()

    recording = watch(loop)
    assert set(parameters(recording)) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert {site.name for site in recording.sites.values()} == {"0", "1", "2", "sum"}
    assert recording.tallies["steps"] >= 19


def test_a_variable_does_not_live_longer_because_it_was_looked_at(watch: Watch) -> None:
    freed: list[bool] = []

    class Big:
        def __del__(self) -> None:
            freed.append(True)

    def loop() -> None:
        big = Big()
        w = torch.randn(3, 1, requires_grad=True)
        (torch.randn(5, 3) @ w).sum().backward()
        assert not freed
        del big
        assert freed

    watch(loop)
