"""Training is the same, bit by bit, with and without gradmedic: weights, optimizer states, random numbers, losses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WARD = Path(__file__).parents[1] / "ward" / "scripts"
HASH = Path(__file__).parent / "weight_hash"
PYTHON = [sys.executable]
WATCHED = [sys.executable, "-m", "gradmedic", "run", "--quiet", "--every", "4"]
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


@pytest.mark.parametrize("name", DIVERSE)
def test_weights_are_bit_identical(name: str) -> None:
    script = WARD / f"{name}.py"
    bare, watched = trained(PYTHON, script), trained(WATCHED, script)
    assert int(bare[-1].split()[0]) > 5
    assert watched == bare
