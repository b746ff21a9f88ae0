"""Other seeds than the script sets: all kinds of generators, repeatable, in a process of their own."""

import subprocess
import sys

import pytest

DRAWS = """
import random, sys
if {by} is not None:
    from gradmedic.launch.seeds import shift_seeds
    shift_seeds({by})
import numpy as np
import torch
{script}
"""

SEEDED = {
    "torch": "torch.manual_seed(5 + {own}); print(torch.rand(3))",
    "torch.random": "torch.random.manual_seed(5 + {own}); print(torch.rand(3))",
    "numpy": "np.random.seed(5 + {own}); print(np.random.rand(3))",
    "random": "random.seed(5 + {own}); print(random.random())",
    "generator": "print(torch.rand(3, generator=torch.Generator().manual_seed(5 + {own})))",
    "default_rng": "print(np.random.default_rng(5 + {own}).random(3))",
}
UNSEEDED = {
    "torch": "print(torch.rand(3))",
    "numpy": "print(np.random.rand(3))",
    "random": "print(random.random())",
    "default_rng": "print(np.random.default_rng().random(), np.random.default_rng().random())",
    "torch.seed": "torch.seed(); print(torch.rand(3))",
    "random.seed": "random.seed(); print(random.random())",
}
LEFT_ALONE = {
    "text": "random.seed('five'); print(random.random())",
    "RandomState": "print(np.random.RandomState(5).rand(3))",
    "split": "from sklearn.model_selection import train_test_split as s; print(s(range(9), random_state=5))",
}


def drawn(scripts: dict[str, str], by: int | None, own: int = 0) -> dict[str, str]:
    """What each of the scripts prints, all in one process, under a shift of seeds."""
    lines = [f"print('==', {name!r}); " + script.format(own=own) for name, script in scripts.items()]
    code = DRAWS.format(by=by, script="\n".join(lines))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parts = (part.split("\n", 1) for part in done.stdout.split("== ")[1:])
    return {name.strip(): text for name, text in parts}


def test_a_shifted_seed_is_the_seed_that_the_script_might_have_set() -> None:
    assert drawn(SEEDED, by=7) == drawn(SEEDED, by=None, own=7)
    assert drawn(SEEDED, by=0) == drawn(SEEDED, by=None)


def test_a_script_that_sets_no_seed_is_given_one() -> None:
    first, again, other = drawn(UNSEEDED, by=1), drawn(UNSEEDED, by=1), drawn(UNSEEDED, by=2)
    assert first == again
    assert all(first[name] != other[name] for name in UNSEEDED)
    one, two = first["default_rng"].split()
    assert one != two


def test_what_is_no_number_and_what_others_are_built_on_stays_as_it_is() -> None:
    assert drawn(LEFT_ALONE, by=7) == drawn(LEFT_ALONE, by=None)


@pytest.mark.parametrize("by", [0, 3])
def test_torchs_own_generators_pass_for_generators(by: int) -> None:
    script = {
        "it": "print(isinstance(torch.default_generator, torch.Generator), type(torch.Generator('cpu')).__name__)"
    }
    assert drawn(script, by)["it"].split() == ["True", "Generator"]
