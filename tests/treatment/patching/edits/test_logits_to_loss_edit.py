"""Losses and what stands before them: the end of the model, and not the softmax of an attention."""

import pytest
from support.edits import SCRIPT, changed, order

from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.treatment.patching import patched
from gradmedic.treatment.patching.script.source import ParsedScript

LOGITS = order("logits-to-loss")


def after(text: str, recording: Recording | None = None) -> str:
    """The text with the loss that it needs; or why not."""
    patch = patched(ParsedScript(text, recording=recording), [LOGITS])
    return str(patch.left[0].why) if patch.left else patch.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nn.Linear(8, 3))", "nn.Linear(8, 3))"),
        ("nn.Linear(8, 3), nn.Softmax(dim=1))", "nn.Linear(8, 3), nn.Identity())"),
        ("nn.Linear(8, 3), nn.Softmax(1)).to(device)", "nn.Linear(8, 3), nn.Identity()).to(device)"),
    ],
)
def test_the_end_of_a_sequential_model(old: str, new: str) -> None:
    head = f"import torch\nfrom torch import nn\nm = nn.Sequential({old}\n"
    text = f"{head}o = torch.optim.SGD(m.parameters())\nnn.CrossEntropyLoss()(m(x), y)\n"
    assert after(text) == ("it is not plain what stands before the loss" if old == new else text.replace(old, new))


def test_what_is_handed_to_the_loss() -> None:
    before, wanted = changed("model(x), y", "model(x), y")
    text = before.replace("F.cross_entropy(model(x)", "F.cross_entropy(model(x).softmax(-1)")
    assert after(text) == wanted


def test_a_module_that_ends_the_model() -> None:
    text = SCRIPT.replace("self.head = ", "self.end = nn.Softmax(dim=1)\n        self.head = ")
    assert (
        after(text.replace("return self.head(x)", "return self.end(self.head(x))")).count("self.end = nn.Identity()")
        == 1
    )
    assert "not plain" in after(text.replace("return self.head(x)", "return self.head(self.end(x))"))


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT.replace("self.body(x))", "F.softmax(x @ x.T, dim=-1) @ x)"),
        SCRIPT.replace(
            "class Net",
            "class Attention(nn.Module):\n    def forward(self, x):\n        return x.softmax(1)\n\n\nclass Net",
        ),
    ],
    ids=["in the middle", "in another module"],
)
def test_the_softmax_of_an_attention_is_left(text: str) -> None:
    assert after(text) == "it is not plain what stands before the loss"


def test_a_script_that_counts_on_probabilities_is_left() -> None:
    text = SCRIPT.replace("return self.head(x)", "return self.head(x).softmax(1)")
    assert after(f"{text}sure = model(x) > 0.9\n") == "line 24 counts on probabilities"
    assert "softmax" not in after(f"{text}best = model(x).argmax(1)\n")


def test_a_softmax_that_was_not_seen_before_the_loss_is_left() -> None:
    text = SCRIPT.replace("return self.head(x)", "return self.head(x).softmax(1)")
    for tail in (True, False):
        site = Site(0, "softmax", Kind.ACTIVATION, "softmax", tail=tail, file="train.py", line=14)
        assert ("not plain" in after(text, Recording(sites={0: site}))) != tail


def test_an_output_that_is_bounded_by_something_else_gets_the_loss_of_logits() -> None:
    text = (
        SCRIPT.replace("F.cross_entropy", "F.binary_cross_entropy")
        .replace("nn.Sigmoid(), ", "")
        .replace("torch.sigmoid", "")
    )
    bounded = text.replace("return self.head(x)", "return self.head(x).clamp(0, 1)")
    assert after(bounded) == text.replace("binary_cross_entropy", "binary_cross_entropy_with_logits")
    assert after(text) == "it is not plain what stands before the loss"
    assert (
        after(SCRIPT.replace("F.cross_entropy", "F.binary_cross_entropy")) == "it is not plain what the loss is given"
    )


def test_two_losses_are_not_told_apart() -> None:
    assert after(f"{SCRIPT}nn.NLLLoss()\n") == "it is not plain which loss is meant"


def test_weights_of_classes_have_no_place_in_the_other_loss() -> None:
    text = SCRIPT.replace(
        "F.cross_entropy(model(x), y)", "F.binary_cross_entropy_with_logits(model(x), y, pos_weight=w)"
    )
    assert after(text) == "line 21 weighs the classes"
