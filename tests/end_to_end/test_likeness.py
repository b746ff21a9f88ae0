"""A script cannot tell: what it prints and how it ends is the same under `python` and `gradmedic run`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
PYTHON = [sys.executable]
MODULE = [sys.executable, "-m", "gradmedic", "run", "--quiet"]
COMMAND = [str(Path(sys.executable).parent / "gradmedic"), "run", "--quiet"]
ENDINGS = re.findall(r'^    "([a-z0-9-]+)":', (SCRIPTS / "endings.py").read_text(), re.MULTILINE)


def outcome(start: list[str], *words: str, folder: Path = SCRIPTS) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a command that is given some input."""
    done = subprocess.run(
        [*start, *words], cwd=folder, input="typed", capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout, comparable(done.stderr)


def comparable(text: str) -> str:
    """Leave out addresses, and the frames of `python -m`: `gradmedic run -m` does without these."""
    return re.sub(r'  File "<frozen runpy>", line \d+, in \w+\n', "", re.sub(r"0x[0-9a-f]+", "0x", text))


@pytest.mark.parametrize("start", [MODULE, COMMAND], ids=["python -m gradmedic", "gradmedic"])
@pytest.mark.parametrize(
    "script", ["identity.py", "./identity.py", "../scripts/identity.py", str(SCRIPTS / "identity.py")]
)
def test_a_script_finds_itself_as_it_is(start: list[str], script: str) -> None:
    words = [script, "--help", "-o", "x.json", "--", "-m", "", "a b"]
    assert outcome(start, *words) == outcome(PYTHON, *words)


def test_a_script_behind_a_link_finds_its_neighbors(tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(SCRIPTS / "identity.py")
    assert outcome(MODULE, "link.py", folder=tmp_path) == outcome(PYTHON, "link.py", folder=tmp_path)


@pytest.mark.parametrize("how", ENDINGS)
def test_a_script_ends_as_it_would(how: str) -> None:
    assert outcome(MODULE, "endings.py", how) == outcome(PYTHON, "endings.py", how)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_find_the_script(method: str) -> None:
    assert outcome(COMMAND, "children.py", method) == outcome(PYTHON, "children.py", method)


@pytest.mark.parametrize("words", [["parcel", "--help"], ["parcel.inner.leaf", "-x"]], ids=str)
def test_a_module_is_run_as_python_runs_it(words: list[str]) -> None:
    assert outcome(MODULE, "-m", *words) == outcome(PYTHON, "-m", *words)


def test_a_syntax_error_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ndef broken(:\n    pass\n")
    assert outcome(MODULE, "broken.py", folder=tmp_path) == outcome(PYTHON, "broken.py", folder=tmp_path)


def test_workers_of_a_data_loader_are_left_alone_and_tracebacks_are_clean() -> None:
    words = ["loaders.py", "fork", "spawn", "forkserver"]
    assert outcome(COMMAND, *words) == outcome(PYTHON, *words)
