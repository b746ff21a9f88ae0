"""The start of weights, by layer where the layers are known, and else by name."""

import pytest
from support.edits import SCRIPT, order

from gradmedic.recording.records import Recording
from gradmedic.recording.site import Parameter
from gradmedic.treatment.patching import patched
from gradmedic.treatment.patching.script.source import ParsedScript

SEQUENTIAL = "nn.Sequential(nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Tanh())"
LISTED = SCRIPT.replace(SEQUENTIAL, "nn.ModuleList(nn.Linear(8, 8) for _ in k)")
TWO = [f"body.{at}.{part}" for at in (0, 2) for part in ("weight", "bias")]
ALL = [*TWO, "head.weight", "head.bias"]


def seen(*names: str) -> Recording:
    """A recording of parameters."""
    return Recording(parameters={at: Parameter(at, name) for at, name in enumerate(names)})


def start(text: str, *weights: str, names: list[str] = ALL, remedy: str = "init-he", **dose: object) -> list[str]:
    """The lines that are added above the optimizer."""
    patch = patched(ParsedScript(text, recording=seen(*names)), [order(remedy, weights=list(weights), **dose)])
    assert not patch.left, str(patch.left[0].why)
    return [line for line in patch.text.splitlines() if line not in text.splitlines()]


def test_a_single_layer_needs_no_loop() -> None:
    assert start(SCRIPT, "head.weight") == [
        "nn.init.normal_(model.head.weight, std=1.414 / model.head.weight[0].numel() ** 0.5)",
        "nn.init.zeros_(model.head.bias)",
    ]
    assert start(SCRIPT, "head.weight", remedy="scale-down") == ["model.head.weight.data.mul_(0.1)"]


def test_layers_are_named_one_by_one_or_as_a_list() -> None:
    draw = "    nn.init.normal_(layer.weight, std=1.414 / layer.weight[0].numel() ** 0.5)"
    zero = "    nn.init.zeros_(layer.bias)"
    assert start(SCRIPT, "body.0.weight", "head.weight") == ["for layer in [model.body[0], model.head]:", draw, zero]
    assert start(LISTED, "body.*.weight", "head.weight") == ["for layer in [*model.body, model.head]:", draw, zero]


def test_layers_without_biases_get_none() -> None:
    assert start(LISTED, "body.*.weight", names=["body.0.weight", "body.1.weight"])[-1].startswith(
        "    nn.init.normal_"
    )


@pytest.mark.parametrize(
    ("text", "names", "weights"),
    [
        (SCRIPT, ALL, ["body.*.weight"]),
        (SCRIPT, [*ALL[:-1]], ["body.0.weight", "head.weight"]),
        (SCRIPT, [], ["head.weight"]),
        (SCRIPT, [*ALL, "tail.weight"], ["tail.weight"]),
        (SCRIPT, ["W", "b"], ["W"]),
        (LISTED, [f"body.{at}.weight" for at in range(20)], [f"body.{at}.weight" for at in range(20)]),
    ],
    ids=["others in the list", "one has no bias", "not seen", "nobody knows where", "no layer", "too many"],
)
def test_names_are_tested_where_layers_are_not_known(text: str, names: list[str], weights: list[str]) -> None:
    assert "for name, weight in model.named_parameters():" in start(text, *weights, names=names)
