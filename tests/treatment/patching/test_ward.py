"""Every script of the ward under remedies that need no finding: written once and validly, or left with a reason."""

import ast
from pathlib import Path

import pytest
from support.edits import order

from gradmedic.treatment.patching import Edit, Order, all_edits, patched
from gradmedic.treatment.patching.script.source import ParsedScript, TextEdit

SCRIPTS = sorted((Path(__file__).parents[2] / "ward" / "scripts").glob("*.py"))
ORDERS = [
    order("clip-grad-norm", max_norm=1.5),
    order("clip-adaptive"),
    order("learning-rate", factor=0.1),
    order("change-optimizer"),
    order("weight-decay", rate=0.1),
    order("init-he"),
    order("zero-biases"),
    order("zero-gradients"),
    order("warm-up", steps=20),
    order("skip-bad-batches"),
    order("logits-to-loss"),
    order("stable-logarithms"),
    order("standardize-inputs"),
    order("fill-missing"),
    order("reconnect", parameters=["encoder.*"]),
    order("residual", modules=["blocks.*"]),
    order("normalize", sites=["fc1/linear", "0/linear"]),
    order("swap-activation", sites=["1/relu", "fc1/tanh"], to="gelu"),
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_is_written_is_valid_and_what_is_left_has_a_reason(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    for one in ORDERS:
        patch = patched(ParsedScript(text, script.name), [one])
        assert (patch.text != text) == bool(patch.written)
        ast.parse(patch.text)
        assert not any("failed" in str(left.why) for left in patch.left), str(patch.left)
        assert not patched(ParsedScript(patch.text, script.name, is_other=True), [one]).written or not patch.written


def test_an_edit_that_fails_is_told_and_the_others_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Edit):
        name = "broken"
        remedies = ("clip-grad-norm",)

        def changes(self, source: ParsedScript, order: Order) -> list[TextEdit]:
            raise KeyError("x")

    edits = {"insert": all_edits()["insert"], "rate": all_edits()["rate"], "broken": Broken}
    monkeypatch.setattr("gradmedic.treatment.patching.all_edits", lambda: edits)
    text = "import torch\nopt = torch.optim.SGD(p, lr=1)\nopt.step()\n"
    patch = patched(ParsedScript(text), [order("clip-grad-norm", max_norm=1.0), order("learning-rate", factor=0.1)])
    assert [item.remedy for item in patch.written] == ["learning-rate"]
    assert str(patch.left[0].why) == "the edit has failed (KeyError: 'x')"
