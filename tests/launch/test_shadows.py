"""Modules of one name are kept apart, whoever loads them when."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradmedic.launch.shadows import NEEDED, Shadows, top


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A script's folder with modules of its own, first on the path."""
    before = dict(sys.modules)
    for name in ("rich", "colorsys", "only_mine"):
        (tmp_path / f"{name}.py").write_text("word = 'mine'\n")
        for loaded in [*sys.modules]:
            if top(loaded) == name:
                del sys.modules[loaded]
    yield tmp_path
    sys.modules.clear()
    sys.modules.update(before)


def word_of(name: str) -> str:
    return str(getattr(__import__(name), "word", "gradmedic's"))


def test_each_side_finds_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shadows = Shadows()
    assert word_of("rich") == "gradmedic's"
    monkeypatch.syspath_prepend(str(folder))
    shadows.part(str(folder))
    for _ in range(2):
        assert (word_of("rich"), word_of("colorsys"), word_of("only_mine")) == ("mine", "mine", "mine")
        theirs = sys.modules["only_mine"]
        with shadows.ours():
            assert (word_of("rich"), word_of("colorsys")) == ("gradmedic's", "gradmedic's")
            assert sys.modules["only_mine"] is theirs
            assert str(folder) not in sys.path
        assert str(folder) in sys.path


def test_what_the_script_has_not_loaded_yet_it_still_finds_in_its_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadows = Shadows()
    monkeypatch.syspath_prepend(str(folder))
    with shadows.ours():
        assert word_of("colorsys") == "gradmedic's"
    assert word_of("colorsys") == "mine"


def test_all_that_a_report_loads_of_other_packages_is_known() -> None:
    code = """
import json, sys
import gradmedic.cli.run, gradmedic.launch.script, gradmedic.diagnosis.judge
import gradmedic.render.deliver, gradmedic.render.report.terminal
from gradmedic.recording.records import Recording
from gradmedic.base.settings import Settings
gradmedic.render.deliver.show(gradmedic.diagnosis.judge.judge(Recording(), Settings()), Settings(), sys.stderr)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - gradmedic.__started_with__)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name for name in json.loads(done.stdout) if not name.startswith("_")}
    assert loaded - NEEDED <= {"gradmedic"}
