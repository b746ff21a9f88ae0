"""`gradmedic predict`, as users start it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
        (["models:deep", "--input", "16x32", "-o", "out.pdf"], "cannot write 'out.pdf'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    done = predict(tmp_path, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
