"""Training is the same, bit by bit, with and without gradmedic: weights, optimizer states, random numbers, losses."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.warm_python import WarmPython

WARD = Path(__file__).parents[1] / "ward" / "scripts"
HASH = Path(__file__).parent / "weight_hash"
SCRIPTS = Path(__file__).parent / "scripts" / "identical"
WATCHED = ["-m", "gradmedic", "run", "--quiet"]
DIVERSE = {
    "amp_bf16_autocast": ("range(4):", "range(1):"),
    "char_lm_gru": ("range(8):", "range(1):"),
    "conv_vae": ("range(12):", "range(3):"),
    "gradscaler_fp16": ("range(10):", "range(4):"),
    "lbfgs_polynomial": ("range(25):", "range(8):"),
    "numpy_style_sgd": ("range(1500):", "range(400):"),
    "preln_causal_sorter": ("range(260):", "range(60):"),
    "resnet_onecycle": ("epochs, batch = 4, 64", "epochs, batch = 1, 64"),
    "stochastic_depth_unused_head": ("range(8):", "range(2):"),
    "wgan_gp_ring": ("range(300):", "range(80):"),
    "word2vec_sparse": ("range(700):", "range(200):"),
}
"""Scripts of the ward, and how they are made shorter."""
FRESH = ["gan", "checkpoint_not_reentrant", "compile_eager"]
"""Scripts that are run in fresh processes as well."""
ENVIRON = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HASH), "PYTHONWARNINGS": "ignore"}
UNREAD = ["vmap_ensemble"]
"""Scripts whose passes run within transforms of functions only, and have no graph to read."""
COMPILER = any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++")))
Run = Callable[[list[str | Path]], str]


@pytest.fixture(scope="module")
def warm() -> Iterator[Run]:
    """What Python prints for some arguments, from a process that has loaded torch."""
    python = WarmPython()
    yield lambda args: python.run(args, ENVIRON)
    python.close()


def fresh(args: list[str | Path]) -> str:
    """The same from a process that begins anew."""
    done = subprocess.run([sys.executable, *args], capture_output=True, text=True, timeout=240, env=ENVIRON, check=True)
    return done.stdout


def check(script: Path, run: Run, folder: Path) -> None:
    """Compare what the script prints, with a hash of all its tensors as the last line; each pass has to be read."""
    bare = run([script]).splitlines()
    assert len(bare) > 1
    assert int(bare[-1].split()[0]) > 1
    assert run([*WATCHED, script]).splitlines() == bare
    report = folder / "report.json"
    assert run([*WATCHED, "--every", "1", "-o", report, script]).splitlines() == bare
    assert bool(json.loads(report.read_text())["run"]["captures"]) is (script.stem not in UNREAD)


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda script: script.stem)
def test_training_is_bit_identical_by_default_and_where_each_step_is_read(
    script: Path, warm: Run, tmp_path: Path
) -> None:
    if script.stem == "compile_inductor" and not COMPILER:
        pytest.skip("inductor needs a C++ compiler")
    check(script, warm, tmp_path)


@pytest.mark.parametrize("name", DIVERSE)
def test_training_of_other_people_s_scripts_is_bit_identical(name: str, tmp_path: Path, warm: Run) -> None:
    text, (long, short) = (WARD / f"{name}.py").read_text(encoding="utf-8"), DIVERSE[name]
    assert text.count(long) == 1
    script = tmp_path / f"{name}.py"
    script.write_text(text.replace(long, short), encoding="utf-8")
    check(script, warm, tmp_path)


@pytest.mark.parametrize("name", FRESH)
def test_training_in_a_fresh_process_is_bit_identical(name: str, tmp_path: Path) -> None:
    check(SCRIPTS / f"{name}.py", fresh, tmp_path)
