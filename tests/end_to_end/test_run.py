"""`gradmedic run` on whole scripts: what comes out beside the script's own output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = [sys.executable, "-m", "gradmedic", "run"]


def run(*words: str | Path, start: list[str] = RUN) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, on one thread."""
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*start, *map(str, words)], capture_output=True, text=True, timeout=280, env=environ)


def test_the_bundled_sick_script_is_diagnosed(tmp_path: Path) -> None:
    outputs = [tmp_path / f"report.{suffix}" for suffix in ("json", "md", "txt")]
    words = [word for output in outputs for word in ("-o", output)]
    done = run(*words, "--fail-on", "critical", EXAMPLES / "sick_sigmoid.py")
    assert done.returncode == 3
    assert done.stdout.count("epoch") == 10
    assert "vanishing-gradient" in done.stderr
    assert "sick_sigmoid.py:" in done.stderr
    report = json.loads(outputs[0].read_text())
    assert (report["verdict"], report["findings"][0]["rule"]) == ("sick", "vanishing-gradient")
    assert report["run"]["ending"] == "finished"
    assert all("vanishing" in output.read_text() for output in outputs)


def test_stop_on_ends_a_hopeless_run_early_and_leaves_a_recording(tmp_path: Path) -> None:
    done = run("--stop-on", "critical", "--record", tmp_path / "run", SCRIPTS / "nan.py")
    assert done.returncode == 3
    assert "all 3000 steps" not in done.stdout
    assert "nan.py:" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["ending"] == "stopped"
    again = run(tmp_path / "run", start=[sys.executable, "-m", "gradmedic", "diagnose"])
    assert again.returncode == 0
    assert "non-finite" in again.stdout


def test_the_traceback_comes_before_the_screen() -> None:
    done = run(SCRIPTS / "loaders.py", "fork")
    assert done.returncode == 1
    before, after = done.stderr.split("RuntimeError: Trying to backward", 1)
    assert before.startswith("Traceback")
    assert "gradmedic" not in before
    assert "captures" in after


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("nosuchmodule", "cannot run nosuchmodule: No module named nosuchmodule"),
        (
            "no.such",
            "cannot run no.such: Error while finding module specification for 'no.such' "
            "(ModuleNotFoundError: No module named 'no')",
        ),
        ("zlib", "cannot run zlib: No code object available for zlib"),
    ],
)
def test_a_module_that_cannot_be_run_gets_one_sentence(module: str, complaint: str) -> None:
    done = run("-m", module)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"gradmedic: {complaint}\n")


@pytest.mark.parametrize("ending", ["sigterm", "interrupt", "crash", "exit-3"])
def test_a_run_without_training_is_honestly_unclear(ending: str) -> None:
    done = run("--fail-on", "note", SCRIPTS / "endings.py", ending)
    assert done.returncode == {"sigterm": -15, "interrupt": -2, "crash": 1, "exit-3": 3}[ending]
    assert done.stderr.count("No backward pass ran while gradmedic watched") == 1


def test_each_rank_records_and_only_the_first_speaks(tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "gradmedic", "run"]
    done = run("--record", tmp_path, SCRIPTS / "parallel.py", start=torchrun)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("captures") == 1
    assert [folder.name for folder in sorted(tmp_path.glob("rank-*"))] == ["rank-00000", "rank-00001"]
    assert all((folder / "sites.jsonl").stat().st_size for folder in tmp_path.glob("rank-*"))


BROKEN = {
    "the probe does not load": ("gradmedic.probe.observed_run", "ObservedRun", "could not watch this run"),
    "the judge fails": ("gradmedic.diagnosis.judge", "judge", "could not write the report"),
    "the screen fails": ("gradmedic.render.report.terminal", "show", "could not print the report"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_fails_of_ours_is_told_in_a_line_and_changes_nothing(case: str, tmp_path: Path) -> None:
    module, name, complaint = BROKEN[case]
    sabotage = f"""
from gradmedic.launch.import_hook import after_import
import sys

def fail(*args, **named):
    raise ValueError("broken on purpose")

after_import({module!r}, lambda: setattr(sys.modules[{module!r}], {name!r}, fail))
from gradmedic.__main__ import main
main()
"""
    (tmp_path / "sabotage.py").write_text(sabotage)
    done = run("run", SCRIPTS / "nan.py", start=[sys.executable, str(tmp_path / "sabotage.py")])
    assert done.returncode == 0
    assert done.stdout == "all 3000 steps\n"
    assert f"{complaint} (ValueError: broken on purpose)" in done.stderr
