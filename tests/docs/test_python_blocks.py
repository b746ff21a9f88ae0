"""The Python on the pages runs."""

import doctest
import re
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import gradmedic as gm

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("how-to/*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Net(nn.Sequential):
    """A reader's network."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__(nn.Linear(8, 16), activation(), nn.Linear(16, 3))


def reader() -> dict[str, object]:
    """What a reader has at hand: a network, data, a loop that trains."""
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs, targets = torch.randn(64, 8), torch.randint(3, (64,))
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=16)

    def train(model: nn.Module, optimizer: torch.optim.Optimizer = optimizer) -> None:
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    names = {"gm": gm, "torch": torch, "nn": nn, "F": F, "Net": Net, "model": model, "optimizer": optimizer}
    names |= {"inputs": inputs, "targets": targets, "x": inputs, "y": targets, "images": inputs, "loader": loader}
    return names | {"loss_fn": nn.CrossEntropyLoss(), "train": train, "layer": model[0], "try_it": train}


def reader_of_images() -> dict[str, object]:
    """The same with images."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 3))
    return reader() | {"model": model, "x": torch.randn(64, 3, 32, 32)}


def blocks(page: Path) -> list[str]:
    return [block for block in BLOCK.findall(page.read_text(encoding="utf-8")) if ">>>" not in block]


WITH_CODE = [page for page in PAGES if blocks(page)]
WITH_SESSIONS = [page for page in DOCS.rglob("*.md") if ">>>" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("reader")
    vars(module).update(reader_of_images() if page.stem.startswith("predict") else reader())
    Path("prescription.toml").write_text('[[remedy]]\nname = "learning-rate"\nfactor = 0.5\n', encoding="utf-8")
    monkeypatch.setitem(sys.modules, "reader", module)
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), vars(module))


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=lambda page: str(page.relative_to(ROOT)))
def test_sessions_on_a_page_print_what_they_show(page: Path) -> None:
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried
    assert not failed
