"""A script cannot tell: what it prints and how it ends is the same under `python` and `gradmedic run`."""

import json
import re
import subprocess
import sys
import zipfile
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
    """Leave out addresses, and the names of folders that are drawn at random."""
    return re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"/tmp\w+", "/tmp", text))


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


PROGRAM = """
import sys
print(sys.argv, sys.path[:2], __file__, __name__, __package__, __cached__, type(__loader__).__name__)
print(__spec__ and (__spec__.name, __spec__.origin, __spec__.parent))
print(sorted(name for name in globals() if name.startswith("__")), sys.modules["__main__"].__dict__ is globals())
import beside
beside.fail(sys.argv[1:])
"""
BESIDE = "def fail(words):\n    if words:\n        raise ValueError(words)\n"


@pytest.mark.parametrize("form", ["folder", "./folder", "app.zip", "-m folder", "-m folder.__main__", "-m pack.leaf"])
@pytest.mark.parametrize("words", [[], ["--quiet", "x"]], ids=["ends", "crashes"])
def test_what_python_runs_as_a_program_is_run_alike(form: str, words: list[str], tmp_path: Path) -> None:
    for name, text in {"__main__.py": PROGRAM, "beside.py": BESIDE}.items():
        for folder in ("folder", "pack"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_text(text)
        with zipfile.ZipFile(tmp_path / "app.zip", "a") as archive:
            archive.writestr(name, text)
    (tmp_path / "beside.py").write_text(BESIDE)
    (tmp_path / "pack" / "__init__.py").write_text("print('init')\n")
    (tmp_path / "pack" / "leaf.py").write_text(PROGRAM)
    asked = [*form.split(), *words]
    assert outcome(MODULE, *asked, folder=tmp_path) == outcome(PYTHON, *asked, folder=tmp_path)
    assert outcome(COMMAND, *asked, folder=tmp_path) == outcome(PYTHON, *asked, folder=tmp_path)


@pytest.mark.parametrize("code", ["raise ValueError('no')", "import nowhere", "x = (", "raise SystemExit(4)"])
def test_a_package_that_cannot_be_imported_ends_as_it_would(code: str, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "__init__.py").write_text(code + "\n")
    (tmp_path / "bad" / "leaf.py").write_text("print('ran')\n")
    ours, theirs = (outcome(start, "-m", "bad.leaf", folder=tmp_path) for start in (MODULE, PYTHON))
    assert ours == theirs


NAMES = ("click", "rich", "pygments", "json", "statistics", "queue", "tomllib", "difflib", "socket", "platform")
TRAINS = """
import torch
from torch import nn
model = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Sigmoid())])
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(30):
    optimizer.zero_grad()
    model(torch.randn(16, 8)).pow(2).mean().backward()
    optimizer.step()
"""


@pytest.mark.parametrize("start", [MODULE[:-1], COMMAND[:-1]], ids=["python -m gradmedic", "gradmedic"])
@pytest.mark.parametrize("late", [False, True], ids=["first", "last"])
def test_modules_of_one_name_are_kept_apart(start: list[str], late: bool, tmp_path: Path) -> None:
    for name in NAMES if not late else NAMES[:3]:  # torch imports some of the others
        (tmp_path / f"{name}.py").write_text("word = 'mine'\n")
    imports = "".join(
        f"import {name}\nprint({name}.__name__, getattr({name}, 'word', 'not mine'))\n"
        for name in (NAMES[:3] if late else NAMES)
    )
    (tmp_path / "plain.py").write_text(imports)
    (tmp_path / "trains.py").write_text(TRAINS + imports if late else imports)
    script = "trains.py" if late else "plain.py"
    status, out, err = outcome([*start, "-o", "report.json", "-o", "report.md"], script, folder=tmp_path)
    assert (status, out) == outcome(PYTHON, script, folder=tmp_path)[:2]
    assert out.count(" mine\n") >= 3
    assert "could not" not in err
    assert (tmp_path / "report.json").exists()
    assert late <= ("vanishing-gradient" in (tmp_path / "report.md").read_text())


EXITS = {
    "at once": "os._exit(5)",
    "with what is not written": "sys.stdout.write('lost'); os._exit(0)",
    "from a thread": "import threading, time\nthreading.Thread(target=os._exit, args=(6,)).start()\ntime.sleep(60)",
    "by a word": "os._exit(status=True)",
    "wrongly": "os._exit('x')",
    "in a child": "child = os.fork()\nif not child: os._exit(3)\nprint(os.waitpid(child, 0)[1]); os._exit(4)",
}


@pytest.mark.parametrize("how", EXITS)
def test_an_exit_that_runs_nothing_more_leaves_report_and_recording(how: str, tmp_path: Path) -> None:
    (tmp_path / "trains.py").write_text(TRAINS + "import os, sys\n" + EXITS[how] + "\n")
    start = [*COMMAND, "-o", "report.json", "--record", "run"]
    assert outcome(start, "trains.py", folder=tmp_path) == outcome(PYTHON, "trains.py", folder=tmp_path)
    assert "vanishing-gradient" in (tmp_path / "report.json").read_text()
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["ending"] == ("crashed" if how == "wrongly" else "finished")


def test_signals_of_a_script_that_is_over_do_not_reach_the_report(tmp_path: Path) -> None:
    handler = "import signal\ndef late(*given): raise TimeoutError\nsignal.signal(signal.SIGALRM, late)\n"
    alarm = "signal.setitimer(signal.ITIMER_REAL, 0.02)\n"
    (tmp_path / "trains.py").write_text(TRAINS + handler + alarm)
    status, out, err = outcome([*COMMAND, "-o", "report.json"], "trains.py", folder=tmp_path)
    assert (status, out, err) == (0, "", "")
    assert "vanishing-gradient" in (tmp_path / "report.json").read_text()


@pytest.mark.parametrize(
    "words",
    [
        *(f"{name} plain" for name in ("relu", "dropout", "softmax", "module-call", "linear-forward")),
        *(f"{name} full 3 8" for name in ("cross-entropy", "tensor-backward", "autograd-backward", "autograd-grad")),
        *(f"{name} full" for name in ("optimizer-step", "clip-norm", "clip-value", "scaler-scale", "scaler-step")),
        *(f"{name} plain 150 250" for name in ("tensor-backward", "autograd-backward")),
    ],
)
def test_a_wrapper_around_a_function_of_torch_runs_as_often_as_under_python(words: str) -> None:
    under_python = outcome(PYTHON, "wrappers.py", *words.split())
    assert outcome(MODULE, "wrappers.py", *words.split()) == under_python
    assert under_python[0] == 0


def test_what_a_script_deletes_is_freed_as_under_python() -> None:
    under_python = outcome(PYTHON, "lifetimes.py")
    assert under_python[1].count("freed: loss") > 40
    assert outcome(MODULE, "lifetimes.py") == under_python
    assert outcome([*MODULE, "--every", "1"], "lifetimes.py") == under_python


def test_modes_and_profilers_of_the_script_hear_of_its_own_operations_alone() -> None:
    assert outcome([*MODULE, "--every", "1"], "modes.py")[1] == outcome(PYTHON, "modes.py")[1]


def test_warnings_and_tracebacks_of_steps_that_are_read_name_the_lines_that_they_name_under_python() -> None:
    under_python = outcome(PYTHON, "warned.py")
    assert under_python[2].count("Warning: ") > 100
    assert under_python[2].count("Traceback (most recent call last)") > 50
    assert outcome(MODULE, "warned.py") == under_python
    assert outcome([*MODULE, "--every", "1"], "warned.py") == under_python


def test_wrappers_that_come_and_go_around_a_watch_run_as_often_as_without_it() -> None:
    without = outcome(PYTHON, "watched_wrappers.py")
    assert outcome(PYTHON, "watched_wrappers.py", "watched")[:2] == without[:2]
    assert len({line.split()[-1] for line in without[1].splitlines() if not line.startswith("call")}) > 8
