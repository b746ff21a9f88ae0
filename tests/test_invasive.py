"""The page on what gradmedic touches says what it touches, neither more nor less, and all of it is undone."""

import ast
import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradmedic as gm

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gradmedic"
PAGE = (ROOT / "docs" / "explanation" / "invasive.md").read_text(encoding="utf-8")


def listed(section: str) -> set[str]:
    """The names in the first column of a section's table."""
    text = PAGE.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def surface() -> dict[str, int]:
    """The functions of torch and of its classes, and how many hooks stand in its global tables."""
    found: dict[str, int] = {}
    for module_name, module in [*sys.modules.items()]:
        if module_name.partition(".")[0] == "torch":
            for name, value in [*vars(module).items()]:
                if name.startswith("_global_") and issubclass(type(value), dict):
                    found[f"{module_name}.{name}"] = len(value)
                elif callable(value):
                    found[f"{module_name}.{name}"] = id(value)
                if issubclass(type(value), type) and value.__module__ == module_name:
                    found |= {f"{module_name}.{name}.{key}": id(part) for key, part in methods(value)}
                    codes = ((key, getattr(part, "__code__", None)) for key, part in methods(value))
                    found |= {f"{module_name}.{name}.{key}.__code__": id(code) for key, code in codes}
    found["torch.overrides.TorchFunctionMode"] = torch._C._len_torch_function_stack()
    return found


def methods(owner: type) -> Iterator[tuple[str, Any]]:
    return ((key, part) for key, part in [*vars(owner).items()] if callable(part) or key.startswith("_optimizer_step"))


def changes(before: dict[str, int]) -> set[str]:
    now = surface()
    changed = {name for name in before if now.get(name) != before[name]}
    return changed - {f"{name}.__code__" for name in changed}  # another function has another code


def test_what_is_touched_in_torch_while_a_run_is_watched_is_listed_and_undone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    memory = nn.GRU(1, 1)
    optimizer = torch.optim.SGD([*model.parameters(), *memory.parameters()], lr=0.01)
    gc.collect()
    touched: set[str] = set()
    before: dict[str, int] = {}

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss = memory(model(torch.randn(3, 2, 4)))[0].pow(2).mean()
            touched.update(changes(before))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            touched.update(changes(before))

    with gm.watch():  # loads what is loaded on first use
        steps(2)
    touched.clear()
    before, plain = surface(), dict(vars(optimizer))
    with gm.watch(budget=0.5):
        steps(20)
    plain_loop = torch.optim.SGD(model.parameters(), lr=0.01)
    with gm.watch():
        for _ in range(400):  # nothing but ordinary steps
            plain_loop.zero_grad()
            loss = (model(torch.randn(8, 4)) - 1.0).pow(2).mean()
            loss.backward()
            plain_loop.step()
        touched.update(changes(before))
        counted = vars(plain_loop).keys() - plain.keys()
    assert touched | {f"optimizer.{name}" for name in counted} == listed("In torch, while a run is watched")
    assert changes(before) == set()
    assert vars(plain_loop).keys() == plain.keys()


STATE = """
import atexit, builtins, gc, json, logging, multiprocessing, os, signal, sys, threading, warnings
def named(value): return f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', type(value).__name__)}"
seen = {
    "os._exit": type(os._exit).__name__, "sys.meta_path": [named(one) for one in sys.meta_path], "sys.path": sys.path,
    "sys.argv": sys.argv, "sys.excepthook": named(sys.excepthook), "sys.displayhook": named(sys.displayhook),
    "sys.unraisablehook": named(sys.unraisablehook), "threading.excepthook": named(threading.excepthook),
    "sys.gettrace": named(sys.gettrace()), "sys.getprofile": named(sys.getprofile()), "gc.callbacks": len(gc.callbacks),
    "gc.threshold": [gc.isenabled(), gc.get_threshold()], "builtins.__import__": named(builtins.__import__),
    "sys.path_hooks": len(sys.path_hooks), "sys.flags": str(sys.flags), "os.environ": dict(os.environ),
    "warnings": [str(one) for one in warnings.filters], "warnings.showwarning": named(warnings.showwarning),
    "logging": [logging.getLogger().level, len(logging.getLogger().handlers)], "threads": threading.active_count(),
    "signals": [str(signal.getsignal(n)) for n in signal.valid_signals()],
    "children": multiprocessing.active_children(),
    "mask": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())], "folder": os.getcwd(),
    "stdout": named(sys.stdout),
    "stderr": named(sys.stderr), "recursion": sys.getrecursionlimit(), "switch": sys.getswitchinterval(),
    "main": sorted(vars(sys.modules["__main__"])), "builtins": sorted(vars(builtins)),
}
print(json.dumps(seen))
"""


def test_what_is_touched_in_python_is_listed(tmp_path: Path) -> None:
    (tmp_path / "state.py").write_text(STATE)
    seen = []
    for start in ([sys.executable], [sys.executable, "-m", "gradmedic", "run", "--quiet", "--record", "run"]):
        done = subprocess.run(
            [*start, "state.py"], cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=60, check=True
        )
        seen.append(json.loads(done.stdout))
    bare, run = seen
    differing = {name for name in bare if bare[name] != run[name]}
    assert {"os._exit", "sys.meta_path"} <= differing <= listed("In Python, under `gradmedic run`")


WRAPS = re.compile(r'wrapped\((\S+), "(\w+)"')


def test_what_is_touched_in_torch_by_a_treatment_is_listed() -> None:
    text = "\n".join(path.read_text() for path in (SOURCE / "treatment").rglob("*.py"))
    found = {f"{owner}.{name}" for owner, name in WRAPS.findall(text)}
    assert len(found) > 5
    names = {re.sub(r"^torch\.(optim\.)?", "", name) for name in listed("In torch, under a treatment")}
    assert {name.removeprefix("torch.") for name in found} <= names


GUARDED = (
    *("probe", "theory", "prediction", "diagnosis/rules", "diagnosis/judge.py", "recording/recorder.py"),
    *("treatment/patient", "treatment/remedies", "launch/watch_session.py"),
)


def everything_caught() -> Iterator[tuple[str, ast.ExceptHandler]]:
    """The places in the script's own thread where whatever comes is caught."""
    for place in GUARDED:
        path = SOURCE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ExceptHandler) and (node.type is None or "Exception" in ast.dump(node.type)):
                    yield f"{file.relative_to(SOURCE)}:{node.lineno}", node


CAUGHT = [*everything_caught()]


@pytest.mark.parametrize(("place", "node"), CAUGHT, ids=[place for place, _ in CAUGHT])
def test_whoever_catches_everything_lets_through_what_is_the_script_s(place: str, node: ast.ExceptHandler) -> None:
    raised = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
    assert raised or "let_through" in ast.dump(node.body[0]), f"{place}: begin with let_through(error)"
