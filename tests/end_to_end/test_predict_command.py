"""`gradmedic predict`, as users start it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import validate  # type: ignore[import-untyped]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/prediction.schema.json").read_text())
MODELS = """
from torch import nn

def deep():
    layers = [layer for _ in range(20) for layer in (nn.Linear(32, 32), nn.Sigmoid())]
    return nn.Sequential(*layers, nn.Linear(32, 4))

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(50, 16), nn.Linear(16, 5)

    def forward(self, tokens):
        return self.head(self.table(tokens))

small = nn.Linear(8, 2)
size = 3
"""

SCRIPT = """
import sys
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
layers = [layer for _ in range(10) for layer in (nn.Linear(64, 64), nn.Sigmoid())]
model = nn.Sequential(*layers, nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
print(sys.argv[1:])
x, y = torch.randn(128, 64), torch.randint(10, (128,))
for step in range(100):
    print("step", step)
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
"""

GAN = """
import torch
from torch import nn

def net(wide, out):
    return nn.Sequential(nn.Linear(wide, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, out))

G, D = net(8, 16), net(16, 1)
g, d = torch.optim.Adam(G.parameters()), torch.optim.Adam(D.parameters())
for step in range(100):
    for _ in range(3):
        real, fake = torch.randn(32, 16), G(torch.randn(32, 8)).detach()
        d.zero_grad()
        (D(fake).mean() - D(real).mean()).backward()
        d.step()
    g.zero_grad()
    (-D(G(torch.randn(32, 8))).mean()).backward()
    g.step()
    print("round", step)
"""


def predict(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a folder with a file of models."""
    (folder / "models.py").write_text(MODELS)
    command = [sys.executable, "-m", "gradmedic", "predict", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_model_is_predicted_from_its_shape_alone(tmp_path: Path) -> None:
    done = predict(tmp_path, "models:deep", "--input", "16x32", "--loss", "cross_entropy", "-o", "out.json")
    assert done.returncode == 0, done.stderr
    assert "VANISHES" in done.stdout
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["verdict"] == "vanishes"
    assert told["recommended"]["verdict"] == "fine"


@pytest.mark.parametrize(
    ("target", "shape"), [("models.py:Tagger", "4x7"), ("models:Tagger", "int:4x7"), ("models:small", "3x8")]
)
def test_files_classes_models_and_tokens_will_do(tmp_path: Path, target: str, shape: str) -> None:
    done = predict(tmp_path, target, "--input", shape, "--alone")
    assert done.returncode == 0, done.stderr
    assert "FINE" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["models:deep", "--input", "16x33"], "Sequential cannot be run on such a batch"),
        (["models:deep", "--input", "16,32"], "'16,32' is no input"),
        (["models:shallow", "--input", "16x32"], "there is no 'shallow' in models"),
        (["nothing:deep", "--input", "16x32"], "there is no module 'nothing'"),
        (["models:size", "--input", "16x32"], "models:size is no model"),
        (["models", "--input", "16x32"], "is not MODULE:NAME"),
        (["models:deep", "--input", "16x32", "--init", "kaming"], "init 'kaming' is none of"),
        (["models:deep", "--input", "16x32", "--targets", "y.txt"], "targets need a loss"),
        (["models:deep", "--input", "16x32", "--loss", "bce", "--targets", "y.txt"], "cannot read targets from y.txt"),
        (["--targets", "y.txt", "models.py"], "a script has its own targets"),
        (["models:deep", "--input", "16x32", "-o", "out.pdf"], "cannot write 'out.pdf'"),
        (["models:deep"], "say what goes into it, as --input 64x3x32x32"),
        (["models:deep", "3", "--input", "16x32"], "nobody knows what '3' is to mean"),
        (["--input", "16x32", "models.py"], "a script has its own input"),
        (["nothing.py"], "there is no script nothing.py"),
        (["models.py"], "models.py has ended without a backward pass: there is nothing to predict"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    done = predict(tmp_path, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_targets_come_from_a_file(tmp_path: Path) -> None:
    def bias(*labels: int) -> float:
        (tmp_path / "y.txt").write_text("\n".join(map(str, labels)))
        loss = ("--loss", "cross_entropy", "--targets", "y.txt")
        done = predict(tmp_path, "models:small", "--input", "16x8", *loss, "--alone", "-o", "out.json")
        assert done.returncode == 0, done.stderr
        told = json.loads((tmp_path / "out.json").read_text())
        return float(next(weight["grad_norm"]["middle"] for weight in told["weights"] if weight["name"] == "bias"))

    assert bias(*[1] * 100) > 3 * bias(*[0, 1] * 50)


def test_a_script_is_predicted_from_its_first_pass_with_what_was_measured_beside(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = predict(tmp_path, "-o", "out.json", "-o", "out.html", "train.py", "--input", "-o", "x")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['--input', '-o', 'x']\nstep 0\n"
    assert "VANISHES" in done.stderr
    assert "measured" in done.stderr
    told = json.loads((tmp_path / "out.json").read_text())
    validate(told, SCHEMA)
    assert told["model"] == "train.py:16"
    assert "VANISHES" in (tmp_path / "out.html").read_text(encoding="utf-8")
    layers = [operation for operation in told["operations"] if operation["kind"] == "weights"]
    assert len(layers) == 11
    for layer in layers:
        assert layer["measured_value_rms"] == pytest.approx(layer["value_rms"]["middle"], rel=0.3)
        assert layer["measured_grad_rms"] == pytest.approx(layer["grad_rms"]["middle"], rel=0.5)
    weights = [weight for weight in told["weights"] if weight["name"].endswith("weight")]
    for weight in weights:
        assert weight["measured_grad_norm"] == pytest.approx(weight["grad_norm"]["middle"], rel=0.5)
    assert told["recommended"]["verdict"] == "fine"


def test_every_stream_of_a_module_has_its_prediction(tmp_path: Path) -> None:
    (tmp_path / "gan.py").write_text(GAN)
    done = predict(tmp_path, "-m", "--alone", "-o", "out.json", "gan")
    assert done.returncode == 0, done.stderr
    assert "round 1" not in done.stdout
    for file, line in (("out.json", 14), ("out-2.json", 17)):
        told = json.loads((tmp_path / file).read_text())
        assert told["model"] == f"gan:{line}"
        assert all(o["measured_grad_rms"] > 0 for o in told["operations"] if o["kind"] == "weights")
        assert told["recommended"] is None


def test_two_places_that_call_backward_are_told_apart_where_weights_are_moved_by_hand(tmp_path: Path) -> None:
    script = (
        "import torch\nfrom torch import nn\na, b = nn.Linear(4, 1), nn.Linear(4, 1)\nx = torch.randn(8, 4)\n"
        "for step in range(9):\n    print('step', step)\n    a(x).square().mean().backward()\n"
        "    b(x).square().mean().backward()\n    for p in [*a.parameters(), *b.parameters()]:\n"
        "        p.data -= 0.1 * p.grad\n        p.grad = None\n"
    )
    (tmp_path / "by_hand.py").write_text(script)
    done = predict(tmp_path, "--alone", "-o", "out.json", "by_hand.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "step 0\nstep 1\n"
    models = [json.loads((tmp_path / file).read_text())["model"] for file in ("out.json", "out-2.json")]
    assert models == ["by_hand.py:7", "by_hand.py:8"]


def test_a_script_that_crashes_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import torch\nprint(torch.ones(2) @ torch.ones(3))\n")
    done = predict(tmp_path, "broken.py")
    plain = subprocess.run([sys.executable, "broken.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, plain.stderr)


def test_what_has_no_rule_is_measured_in_a_script(tmp_path: Path) -> None:
    script = (
        SCRIPT.replace("nn.Sigmoid()", "Sums()")
        .replace("(10)", "(2)")
        .replace(
            "torch.manual_seed(0)",
            "class Sums(nn.Module):\n    def forward(self, x):\n        return torch.cumsum(x, -1)",
        )
    )
    (tmp_path / "train.py").write_text(script)
    done = predict(tmp_path, "--alone", "-o", "out.json", "train.py")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "out.json").read_text())
    assert {operation["unknown"] for operation in told["operations"]} == {None, "no rule for cumsum; measured instead"}
    assert "There is no rule for cumsum; measured with one initialization instead." in " ".join(done.stderr.split())
    first = told["operations"][0]
    assert first["grad_rms"]["low"] < first["measured_grad_rms"] < first["grad_rms"]["high"]
