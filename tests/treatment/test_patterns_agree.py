"""A pattern stands for the same weights in a trial, in pasted code, in a patch, and in `gm.init(skip=)`."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from hypothesis import example, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from support.edits import order
from support.treating import given
from torch import nn

from gradmedic.prediction.init.weights import weights_of
from gradmedic.treatment.patching import Order, patched
from gradmedic.treatment.patching.script.source import ParsedScript
from gradmedic.treatment.prescription import Item
from gradmedic.treatment.remedies import Remedy
from gradmedic.treatment.remedies.weights.init_critical import InitCritical
from gradmedic.treatment.remedies.weights.init_he import InitHe
from gradmedic.treatment.remedies.weights.init_xavier import InitXavier

LAYER = "nn.Linear(4, 4)"
TREES = st.recursive(
    st.sampled_from([LAYER, LAYER, "nn.Linear(4, 4, bias=False)", "nn.LayerNorm(4)"]),
    lambda below: st.lists(below, min_size=1, max_size=3).map(lambda parts: f"nn.Sequential({', '.join(parts)})"),
    max_leaves=6,
)
PATTERNS = st.lists(st.sampled_from(["0", "1", "2", "*", "**"]), min_size=1, max_size=3).map(
    lambda parts: ".".join([*parts, "weight"])
)
SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential({tree})
optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
for _ in range(1):
    optimizer.zero_grad()
    loss = model(torch.ones(2, 4)).sum()
    loss.backward()
    optimizer.step()
"""


REMEDIES = (InitHe, InitXavier, partial(InitCritical, "tanh"))


def names_changed(script: str, remedy: Remedy | None = None, after: str = "") -> set[str]:
    """The parameters that differ from those of an untouched model when a script is done, or code behind it."""
    told: dict[str, Any] = {}
    with given(remedy) if remedy is not None else ExitStack():
        exec(script, told)
        exec(after, told)
    torch.manual_seed(0)
    untouched = eval(script.split("model = ")[1].splitlines()[0], {"nn": nn})
    before = dict(untouched.named_parameters())
    return {name for name, now in told["model"].named_parameters() if not torch.equal(now, before[name])}


@settings(deadline=None, max_examples=25)
@for_all(TREES, st.lists(PATTERNS, min_size=1, max_size=2, unique=True).map(tuple))
@example(f"{LAYER}, nn.Sequential({LAYER})", ("*.weight",))
@example(f"nn.Sequential({LAYER}, nn.Sequential({LAYER}))", ("0.*.weight", "0.0.weight"))
def test_a_pattern_stands_for_the_same_weights_everywhere(tree: str, patterns: tuple[str, ...]) -> None:
    script, remedy = SCRIPT.format(tree=tree), InitHe(patterns)
    on_trial = names_changed(script, remedy)
    assert names_changed(script, after=remedy.code()) == on_trial
    patch = patched(ParsedScript(script), [order("init-he", weights=list(patterns))])
    assert patch.written
    assert names_changed(patch.text) == on_trial
    model: nn.Module = eval(f"nn.Sequential({tree})", {"nn": nn})
    matrices = {name for name, weight in weights_of(model).items() if len(weight.shape) > 1}
    left_out = matrices - set(weights_of(model, skip=patterns))
    assert left_out == {name for name in on_trial if name.endswith("weight")}


@settings(deadline=None, max_examples=15)
@for_all(TREES, st.sampled_from(REMEDIES))
@example(f"{LAYER}, nn.LayerNorm(4), nn.Tanh(), {LAYER}", REMEDIES[0])
def test_without_a_name_a_trial_and_pasted_code_start_the_same_weights(tree: str, make: Callable[[], Remedy]) -> None:
    script, remedy = SCRIPT.format(tree=f"{tree}, {LAYER}"), make()
    on_trial = names_changed(script, remedy)
    assert {name for name in on_trial if name.endswith("weight")}
    assert names_changed(script, after=remedy.code()) == on_trial
    patch = patched(ParsedScript(script), [Order(Item(remedy.name, vars(remedy)), remedy.code())])
    assert names_changed(patch.text) == on_trial
