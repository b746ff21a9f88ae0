"""The plugin for pytest, in a pytest of its own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

TESTS = """
import pytest
import torch
from torch import nn

def train(depth):
    torch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(8, 8), nn.Sigmoid() if depth > 5 else nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(64, 8)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
        optimizer.step()

def test_untrained():
    assert True

def test_plain():
    train(12)

@pytest.mark.gradmedic
def test_marked_sick():
    train(12)

@pytest.mark.gradmedic(ignore=["vanishing-gradient", "poor-initialization"], rules={}, fail_on="critical")
def test_marked_and_ignored():
    train(12)

@pytest.mark.gradmedic
def test_marked_healthy():
    train(2)

@pytest.mark.gradmedic
def test_marked_without_training():
    pass

def test_fixture(gradmedic):
    train(12)
    assert gradmedic.report.findings[0].rule == "vanishing-gradient"

@pytest.mark.gradmedic
def test_raises():
    train(2)
    raise ValueError("its own")
"""


def ran(folder: Path, *options: str) -> str:
    (folder / "test_training.py").write_text(TESTS)
    announced = entry_points(group="pytest11", name="gradmedic")  # where gradmedic is installed
    plugin = () if announced else ("-p", "gradmedic.integrations.pytest_plugin")
    options = (*plugin, "-p", "no:cacheprovider", "--strict-markers", *options)
    command = [sys.executable, "-m", "pytest", "-rA", "-W", "error", *options]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ).stdout


def test_marked_tests_fail_where_training_is_sick_and_others_are_left_alone(tmp_path: Path) -> None:
    told = ran(tmp_path)
    for name in ("untrained", "plain", "marked_and_ignored", "marked_healthy", "fixture"):
        assert f"PASSED test_training.py::test_{name}\n" in told
    assert "FAILED test_training.py::test_marked_sick" in told
    assert "vanishing-gradient" in told
    assert "FAILED test_training.py::test_marked_without_training" in told
    assert "gradmedic has seen no backward pass in this test" in told
    assert "FAILED test_training.py::test_raises" in told
    assert "= gradmedic =" not in told


def test_all_tests_that_train_are_listed_and_none_fails_for_it(tmp_path: Path) -> None:
    told = ran(tmp_path, "--gradmedic", "-k", "untrained or plain or marked_healthy", "--junitxml", "out.xml")
    assert "3 passed" in told
    summary = told.partition(" gradmedic =")[2]
    assert "vanishing-gradient" in summary
    assert "healthy  test_training.py::test_marked_healthy" in summary
    assert "test_untrained" not in summary.partition("\n=")[0]
    assert '<property name="gradmedic" value="vanishing-gradient' in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize("name", ["pytest_plugin", "lightning_entry"])
def test_what_is_found_by_entry_points_loads_no_torch(name: str) -> None:
    code = f"import sys, gradmedic.integrations.{name}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
