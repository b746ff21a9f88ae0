"""Training is the same, bit by bit, with and without gradmedic: weights, optimizer states, random numbers, losses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WARD = Path(__file__).parents[1] / "ward" / "scripts"
HASH = Path(__file__).parent / "weight_hash"
SCRIPTS = Path(__file__).parent / "scripts" / "identical"
PYTHON = [sys.executable]
WATCHED = [sys.executable, "-m", "gradmedic", "run", "--quiet"]
DIVERSE = [
    "amp_bf16_autocast",
    "char_lm_gru",
    "conv_vae",
    "gradscaler_fp16",
    "lbfgs_polynomial",
    "numpy_style_sgd",
    "preln_causal_sorter",
    "resnet_onecycle",
    "stochastic_depth_unused_head",
    "wgan_gp_ring",
    "word2vec_sparse",
]


def trained(start: list[str], script: Path) -> list[str]:
    """What a script prints, with a hash of all its tensors as the last line."""
    environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HASH), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([*start, script], capture_output=True, text=True, timeout=240, env=environ, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "script",
    [*(WARD / f"{name}.py" for name in DIVERSE), *sorted(SCRIPTS.glob("*.py"))],
    ids=lambda script: script.stem,
)
def test_training_is_bit_identical_by_default_and_where_each_step_is_read(script: Path) -> None:
    bare = trained(PYTHON, script)
    assert len(bare) > 1
    assert int(bare[-1].split()[0]) > 1
    assert trained(WATCHED, script) == bare
    assert trained([*WATCHED, "--every", "1"], script) == bare
