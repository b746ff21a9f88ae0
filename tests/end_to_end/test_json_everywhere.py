"""Every command prints JSON where that is asked for, and nothing else of ours on stdout."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gradmedic.cli import commands

TRAIN = """
import torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.05)
x = torch.randn(64, 4)
for _ in range(60):
    opt.zero_grad()
    ((net(x) - x[:, :1]) ** 2).mean().backward()
    opt.step()
print("own words")
"""

MODELS = """
import torch
net = torch.nn.Linear(4, 4)

def made(width):
    inner = int(8 * width)
    return torch.nn.Sequential(torch.nn.Linear(4, inner), torch.nn.Tanh(), torch.nn.Linear(inner, 4))
"""

WITHOUT = {"skill", "live"}
"""Commands that print a text to read, or serve a page."""


def said(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gradmedic", *words], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted({*commands.commands} - WITHOUT))
def test_every_command_has_the_option(name: str) -> None:
    options = [it for it in commands.commands[name].params if isinstance(it, click.Option)]
    assert any("--json" in option.opts for option in options)


def test_a_run_prints_its_report_behind_the_words_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    out = said(tmp_path, "run", "--json", "--record", "rec", "train.py")
    first, _, rest = out.partition("\n")
    assert first == "own words"
    assert json.loads(rest)["schema"] == "gradmedic.report/1"
    assert json.loads(said(tmp_path, "diagnose", "--json", "rec"))["verdict"] == json.loads(rest)["verdict"]


def test_predictions_are_told_as_json(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "models.py").write_text(MODELS)
    told = said(tmp_path, "predict", "--json", "models:net", "--input", "8x4")
    assert json.loads(told)["schema"] == "gradmedic.prediction/1"
    told = said(tmp_path, "predict", "--json", "--widths", "1,2,4", "models:made", "--input", "8x4")
    assert json.loads(told)["schema"] == "gradmedic.coordinate_check/1"
    assert json.loads(said(tmp_path, "predict", "--json", "train.py"))["model"] == "train.py:9"


@pytest.mark.parametrize("words", [["explain"], ["explain", "dead-relu"], ["activations"], ["activations", "gelu"]])
def test_the_manual_is_told_as_json(tmp_path: Path, words: list[str]) -> None:
    assert json.loads(said(tmp_path, *words, "--json"))


def test_a_treatment_and_its_patch_are_told_as_json(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    told = said(tmp_path, "treat", "--json", "--minutes", "0.2", "train.py")
    assert json.loads(told)["schema"] == "gradmedic.treatment/1"
    (tmp_path / "cure.toml").write_text('[[remedy]]\nname = "clip-grad-norm"\nmax_norm = 1.0\n')
    told = said(tmp_path, "patch", "--json", "--no-check", "cure.toml", "train.py")
    assert "clip_grad_norm_" in json.loads(told)["diff"]
