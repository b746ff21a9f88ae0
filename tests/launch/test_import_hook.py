"""Being called when a module arrives, also when others wait for the same one."""

import importlib
import sys
from pathlib import Path

import pytest

from gradmedic.launch.import_hook import after_import


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "awaited.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "awaited", raising=False)
    return "awaited"


def test_all_who_wait_for_a_module_are_called_once_it_is_loaded(module: str) -> None:
    called: list[str] = []
    finders = list(sys.meta_path)
    for name in ("first", "second", "third"):
        after_import(module, lambda name=name: called.append(f"{name} {sys.modules[module].value}"))  # type: ignore[misc]
    assert not called
    importlib.import_module(module)
    assert sorted(called) == ["first 1", "second 1", "third 1"]
    assert sys.meta_path == finders
    importlib.reload(sys.modules[module])
    assert len(called) == 3


def test_who_comes_late_is_called_at_once(module: str) -> None:
    importlib.import_module(module)
    called: list[str] = []
    after_import(module, lambda: called.append("late"))
    assert called == ["late"]
