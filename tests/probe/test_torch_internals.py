"""What a version of torch lacks switches one reading off, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gradmedic.base.locale import catalog
from gradmedic.probe.torch_internals import CAPABILITIES, PACKING, Capability, is_packed

PATHS = {path: capability for capability in CAPABILITIES for path in capability.paths.values()}
NOTHING = "nothing"
LACKING = [text for text, capability in {c.lost.text: c for c in CAPABILITIES}.items() if not capability.there]
names = pytest.mark.parametrize("path", PATHS)
kinds = pytest.mark.parametrize("kind", ["healthy", "sick"])

Runs = dict[str, dict[str, Any]]
"""By the name that was hidden, and by the kind of training."""


@pytest.fixture(scope="module")
def runs() -> Runs:
    """The same trainings without gradmedic, with all names of torch, and without each of them."""
    script = Path(__file__).with_name("without_a_name.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), NOTHING, *PATHS], capture_output=True, text=True, check=True
    )
    lines = map(json.loads, done.stdout.splitlines())
    return {line["name"]: line for line in lines}


@kinds
@names
def test_weights_are_the_same_without_any_name(runs: Runs, path: str, kind: str) -> None:
    assert runs[path][kind]["weights"] == runs["plain"][kind]["weights"]


@kinds
def test_the_runs_are_judged_as_what_they_are(runs: Runs, kind: str) -> None:
    whole = runs[NOTHING][kind]
    assert whole["verdict"] == kind
    assert whole["rules"][:1] == (["non-finite"] if kind == "sick" else [])
    assert whole["notes"] == LACKING
    assert whole["failures"] == []


@kinds
@names
def test_the_verdict_does_not_hang_on_one_name(runs: Runs, path: str, kind: str) -> None:
    assert runs[path][kind]["verdict"] == kind
    assert runs[path][kind]["failures"] == []


@names
def test_what_is_missing_is_named_in_the_report(runs: Runs, path: str) -> None:
    run, lost = runs[path]["healthy"], PATHS[path].lost.text
    assert {*run["notes"]} == {lost, *LACKING}
    assert len(run["notes"]) == len({lost, *LACKING})
    assert lost.partition(":")[0] in " ".join(run["text"].split())


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda it: next(iter(it.paths.values())))
def test_this_torch_has_every_capability(capability: Capability) -> None:
    if capability is PACKING and tuple(map(int, torch.__version__.split(".")[:2])) < (2, 10):
        pytest.skip("torch before 2.10 does not tell which saved tensors are packed")
    assert capability.there, f"one of {', '.join(capability.paths.values())} is gone: {capability.lost}"
    assert capability.lost.text in catalog("zh")


def test_an_index_saves_tensors_of_several_dimensions() -> None:
    x, places = torch.ones(3, 4, requires_grad=True), torch.tensor([0, 2])
    assert not is_packed(x[places, places].grad_fn, "indices")
