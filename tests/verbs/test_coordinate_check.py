"""`gm.coordinate_check`: exponents of width against those of measured steps, and what it refuses."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gradmedic as gm
from gradmedic.base.errors import GradmedicError
from gradmedic.prediction.coordinate_check import exponent, slope

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
WIDE = (0.5, 1.0, 2.0, 4.0)
LAYERS = ("first", "hidden", "readout")


class Net(nn.Module):
    """An MLP, its weights drawn with variance 1/fan_in, in standard or maximal-update form."""

    def __init__(self, width: float, *, mup: bool = False) -> None:
        super().__init__()
        n = int(64 * width)
        self.first, self.hidden, self.readout = nn.Linear(16, n), nn.Linear(n, n), nn.Linear(n, 5)
        self.scale = 1 / width if mup else 1.0
        for layer in (self.first, self.hidden, self.readout):
            nn.init.normal_(layer.weight, std=(64 if mup and layer is self.readout else layer.in_features) ** -0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.readout(F.relu(self.hidden(F.relu(self.first(x))))) * self.scale
        return out


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(32, 16), torch.randint(5, (32,))


def stepped(width: float, optimizer: str, seed: int) -> dict[str, float]:
    """By how much one step moves each layer's result along its gradient: squares."""
    x, y = batch()
    torch.manual_seed(seed)
    model, outs, ins = Net(width), dict[str, Tensor](), dict[str, Tensor]()

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
            out.retain_grad()
            ins[name], outs[name] = args[0].detach(), out

        return hook

    for name in LAYERS:
        model.get_submodule(name).register_forward_hook(keep(name))
    F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
    found = {}
    for name in LAYERS:
        weight, bias = (model.get_parameter(f"{name}.{part}").grad for part in ("weight", "bias"))
        grad = outs[name].grad
        assert weight is not None
        assert bias is not None
        assert grad is not None
        moves = (weight, bias) if optimizer == "sgd" else (weight.sign(), bias.sign())
        change = F.linear(ins[name], *moves)
        found[name] = float((change * grad).sum() ** 2 / grad.square().sum() / grad.numel())
    return found


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_updates_grow_with_width_as_measured_ones_do(optimizer: str) -> None:
    check = gm.coordinate_check(Net, batch(), F.cross_entropy, widths=WIDE, optimizer=optimizer)
    inits = [[stepped(width, optimizer, seed) for seed in range(8)] for width in WIDE]
    assert [layer.name for layer in check.layers] == list(LAYERS)
    for layer in check.layers:
        measured = [sum(one[layer.name] ** 0.5 for one in at) / len(at) for at in inits]
        assert slope(WIDE, layer.update) == pytest.approx(slope(WIDE, measured), abs=0.15)
        for told, size in zip(layer.update, measured, strict=True):
            assert told is not None
            assert 0.5 < told / size < 2


def test_standard_parametrization_needs_a_smaller_rate_for_wider_networks() -> None:
    check = gm.coordinate_check(Net, batch(), F.cross_entropy)
    assert check.verdict == "grows"
    assert {layer.name for layer in check.growing} == {"hidden", "readout"}
    assert check.growing[0].update_exponent == pytest.approx(1.0, abs=0.1)


def maximal(width: float, kind: str = "adam") -> tuple[nn.Module, torch.optim.Optimizer]:
    """Maximal update parametrization (Yang+ 2021, table 3)."""
    model, groups = Net(width, mup=True), []
    for name, parameter in model.named_parameters():
        if kind == "adam":
            rate = 1 / width if name == "hidden.weight" else 1.0
        else:
            rate = 1.0 if name in ("hidden.weight", "readout.bias") else width
        groups.append({"params": [parameter], "lr": 0.01 * rate})
    return model, torch.optim.Adam(groups) if kind == "adam" else torch.optim.SGD(groups)


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_under_maximal_update_parametrization_it_carries_over(kind: str) -> None:
    check = gm.coordinate_check(lambda width: maximal(width, kind), batch(), F.cross_entropy)
    assert check.optimizer == kind
    assert check.verdict == "carries over"


def test_the_scale_of_a_layer_s_result_counts_as_the_layer_s() -> None:
    class Scaled(nn.Module):
        """Weights of variance one, and a scale behind them (Jacot+ 2018): features stop moving as width grows."""

        def __init__(self, width: float) -> None:
            super().__init__()
            self.n = int(64 * width)
            self.first, self.hidden, self.readout = (
                nn.Linear(a, b, bias=False) for a, b in ((16, self.n), (self.n, self.n), (self.n, 5))
            )
            for parameter in self.parameters():
                nn.init.normal_(parameter)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.first(x) / 4)
            out: Tensor = self.readout(F.relu(self.hidden(x) / self.n**0.5)) / self.n**0.5
            return out

    check = gm.coordinate_check(Scaled, batch(), F.cross_entropy, optimizer="sgd")
    assert check.verdict == "fades"
    exponents = {layer.name: layer.update_exponent for layer in check.layers}
    assert exponents["hidden"] is not None
    assert -0.6 < exponents["hidden"] < -0.3
    assert exponents["readout"] == pytest.approx(0.0, abs=0.1)
    assert all(abs(layer.signal_exponent or 0.0) < 0.1 for layer in check.layers)


def test_a_readout_of_zero_is_told_as_what_sends_no_gradient() -> None:
    def silent(width: float) -> nn.Module:
        model = Net(width)
        nn.init.zeros_(model.readout.weight)
        return model

    check = gm.coordinate_check(silent, batch(), F.cross_entropy)
    assert check.layers[0].update_exponent is None
    assert any("no gradient reaches them" in str(reason) for reason in check.reasons)


def test_a_correction_that_dies_out_is_no_exponent() -> None:
    assert exponent(WIDTHS, [1 + 1 / width for width in WIDTHS]) == pytest.approx(0.0, abs=0.15)
    assert exponent(WIDTHS, [width**0.5 for width in WIDTHS]) == pytest.approx(0.5)
    assert exponent(WIDTHS, [None, 2.0, None, None, 4.0]) == pytest.approx(math.log(2) / math.log(8))
    assert exponent(WIDTHS, [None, None, None, None, 4.0]) is None


def test_only_the_state_of_random_numbers_could_be_disturbed_and_is_not() -> None:
    before = torch.random.get_rng_state()
    gm.coordinate_check(Net, (8, 16), widths=(0.5, 1))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("factory", "how", "said"),
    [
        (Net, {"widths": (1,)}, "two widths or more"),
        (Net, {"widths": (0, 1)}, "two widths or more"),
        (Net, {"optimizer": "lion"}, "none of sgd, adam"),
        (lambda width: 3, {}, "makes no model"),
        (lambda width: (m := Net(width), torch.optim.Rprop(m.parameters())), {}, "how far it steps"),
    ],
)
def test_what_makes_no_sense_is_refused(factory: Callable[[float], object], how: dict[str, object], said: str) -> None:
    with pytest.raises(GradmedicError, match=said):
        gm.coordinate_check(factory, (8, 16), **how)


def test_from_the_shell_with_a_picture(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def make(width):\n"
        "    n = int(32 * width)\n"
        "    return nn.Sequential(nn.Linear(16, n), nn.ReLU(), nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 5))\n"
    )
    asked = ["nets:make", "--widths", "0.5,1,2,4", "--input", "32x16", "-o", "out.json", "-o", "out.html"]
    command = [sys.executable, "-m", "gradmedic", "predict", *asked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "GROWS" in done.stdout
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["schema"] == "gradmedic.coordinate_check/1"
    assert [layer["name"] for layer in told["layers"]] == ["0", "2", "4"]
    assert told["verdict"] == "grows"
    page = (tmp_path / "out.html").read_text()
    assert page.count("<svg") == 9


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--widths", "a,b", "nets:make"], "are no widths"),
        (["--optimizer", "sgd", "nets:make"], "only a coordinate check"),
        (["--widths", "1,2", "train.py"], "a function that makes models"),
        (["--widths", "1,2", "--init", "he", "nets:make"], "leave --init out"),
    ],
)
def test_the_shell_says_what_is_wrong(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "nets.py").write_text("from torch import nn\nmake = lambda width: nn.Linear(2, 2)\n")
    (tmp_path / "train.py").write_text("")
    given = options if options[-1] == "train.py" else ["--input", "4x2", *options]
    command = [sys.executable, "-m", "gradmedic", "predict", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
