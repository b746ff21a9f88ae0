"""Where lines go in a training loop: scalers, accumulation, several optimizers, trainers, closures."""

import pytest
from support.edits import order

from gradmedic.recording.records import Optimizer, Recording
from gradmedic.treatment.patching import patched
from gradmedic.treatment.patching.script.source import ParsedScript

CLIP = order("clip-grad-norm", max_norm=1.0)
LISTED = '[p for group in {} .param_groups for p in group["params"]]'.replace(" .", ".")


def clipped(text: str) -> list[str]:
    """The lines that clipping adds, without their indentation; every other line stays."""
    patch = patched(ParsedScript(text), [CLIP])
    assert not patch.left, str(patch.left[0].why)
    before, after = text.splitlines(), patch.text.splitlines()
    added = [line for line in after if line not in before]
    assert [line for line in after if line in before] == before
    return [line.strip() for line in added]


def reason(text: str, *orders: object) -> str:
    """Why a remedy is left."""
    patch = patched(ParsedScript(text), orders or [CLIP])  # type: ignore[arg-type]
    assert patch.text == text
    return str(patch.left[0].why)


HEAD = "import torch\nnet = torch.nn.Linear(1, 1)\nopt = torch.optim.Adam(net.parameters())\n"


def test_clips_behind_unscale_where_it_is_there() -> None:
    text = f"{HEAD}scaler.unscale_(opt)\nprint()\nscaler.step(opt)\nscaler.update()\n"
    assert clipped(text) == ["torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=1)"]


def test_takes_the_scale_out_before_it_clips() -> None:
    text = f"{HEAD}for x in data:\n    if x:\n        scaler.step(opt)\n        scaler.update()\n"
    assert clipped(text) == ["scaler.unscale_(opt)", "torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=1)"]


def test_clips_where_the_step_is_made_and_not_at_each_backward_pass() -> None:
    text = f"{HEAD}for i, x in data:\n\tf(x).backward()\n\tif i % 4 == 3:\n\t\topt.step()\n\t\topt.zero_grad()\n"
    patch = patched(ParsedScript(text), [CLIP])
    assert "\tif i % 4 == 3:\n\t\ttorch.nn.utils.clip_grad_norm_(" in patch.text


def test_clips_each_of_several_models_at_its_own_step() -> None:
    second = "other = torch.nn.Linear(2, 2)\nopt2 = torch.optim.SGD(other.parameters())\n"
    added = clipped(f"{HEAD}{second}opt.step()\nopt2.step()\n")
    assert [line.partition("(")[2].partition(".")[0] for line in added] == ["net", "other"]


@pytest.mark.parametrize(
    "loop",
    [
        "def train(net, opt):\n    opt.zero_grad()\n    opt.step()\n",
        "net = torch.nn.Linear(2, 2)\nopt.step()\n",
        "opt = torch.optim.Adam([p for p in net.parameters()])\nopt.step()\n",
    ],
    ids=["arguments", "another model under that name", "no model"],
)
def test_asks_the_optimizer_for_its_parameters_where_no_name_is_sure(loop: str) -> None:
    assert clipped(HEAD + loop) == [f"torch.nn.utils.clip_grad_norm_({LISTED.format('opt')}, max_norm=1)"]


def test_finds_the_model_of_a_trainer() -> None:
    text = (
        "import torch.nn as nn, torch.optim as optim\nclass Trainer:\n  def __init__(self, model):\n"
        "    self.model = model\n    self.opt = optim.Adam(self.model.parameters())\n"
        "  def step(self):\n    self.opt.step()\n"
    )
    assert clipped(text) == ["nn.utils.clip_grad_norm_(self.model.parameters(), max_norm=1)"]


def test_leaves_clipping_to_accelerate_where_it_makes_the_backward_pass() -> None:
    assert clipped(f"{HEAD}accelerator.backward(loss)\nopt.step()\n") == [
        "if accelerator.sync_gradients:",
        "accelerator.clip_grad_norm_(net.parameters(), max_norm=1)",
    ]


def test_puts_a_short_line_behind_a_semicolon() -> None:
    patch = patched(ParsedScript(f"{HEAD}for x in data: f(x).backward(); opt.step()  # go\n"), [CLIP])
    ending = "f(x).backward(); torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=1); opt.step()  # go\n"
    assert patch.text.endswith(ending)


def test_writes_no_block_behind_a_semicolon() -> None:
    text = f"{HEAD}for x in data: f(x).backward(); opt.step()\n"
    assert reason(text, order("clip-weights", limit=0.1)) == "line 4 holds more than one statement"


@pytest.mark.parametrize(
    ("loop", "why"),
    [
        ("opt.step(closure)\n", "line 4 steps with a closure"),
        ("loss = opt.step()\n", "line 4 steps with a closure"),
        ("", "no optimizer.step() is found in this script"),
        ("env.step(3)\n", "no optimizer.step() is found in this script"),
        ("torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)\nopt.step()\n", "line 4 clips gradients already"),
    ],
)
def test_leaves_what_is_not_plain(loop: str, why: str) -> None:
    assert reason(HEAD + loop) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("twin = copy.deepcopy(net)\nopt = torch.optim.SGD(net.parameters())\n", "line 3 uses net before"),
        ("net.load_state_dict(held)\nopt = torch.optim.SGD(net.parameters())\n", "line 3 uses net before"),
        (
            "def f(net):\n    opt = torch.optim.SGD(net.parameters())\nf(net)\nf(net)\n",
            "a function that is called more",
        ),
        ("a = torch.optim.SGD(net.parameters())\nb = torch.optim.SGD(other.parameters())\n", "not plain which model"),
    ],
)
def test_gives_no_new_start_to_a_model_with_a_past(text: str, why: str) -> None:
    assert why in reason(f"import torch, copy\nnet = torch.nn.Linear(1, 1)\n{text}", order("zero-biases"))


@pytest.mark.parametrize(
    "given",
    ["[p for p in net.parameters() if p.requires_grad]", "filter(lambda q: q.requires_grad, net.parameters())"],
)
def test_a_filter_for_what_learns_changes_nothing_about_the_model(given: str) -> None:
    text = f"import torch\nnet = torch.nn.Linear(1, 1)\nopt = torch.optim.SGD({given}, lr=1)\nopt.step()\n"
    assert clipped(text) == ["torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=1)"]


def test_groups_of_one_model_are_that_model_to_a_start_and_not_to_a_clip() -> None:
    groups = "[{'params': net.a.parameters()}, {'params': net.b.parameters(), 'lr': 2}]"
    text = f"import torch\nnet = Net()\nopt = torch.optim.SGD({groups}, lr=1)\nopt.step()\n"
    assert clipped(text) == [f"torch.nn.utils.clip_grad_norm_({LISTED.format('opt')}, max_norm=1)"]
    assert "in net.named_parameters():" in patched(ParsedScript(text), [order("zero-biases")]).text


@pytest.mark.parametrize(("head", "name"), [("", "fc.weight"), ("self.net = 1\n", "net.fc.weight")])
def test_the_name_of_the_model_is_no_part_of_its_parameters_names(head: str, name: str) -> None:
    start = order("init-he", weights=["net.fc.weight"])
    written = patched(ParsedScript(f"{HEAD}{head}opt.step()\n"), [start]).text
    assert f'if name == "{name}" and weight.dim() > 1:' in written


LIGHTNING = (
    "import torch\nclass Lit(Base):\n    def configure_optimizers(self):\n"
    "        return torch.optim.Adam(self.parameters(), lr=1.0)\n"
)


def test_an_optimizer_that_is_handed_on_has_a_rate_and_a_model() -> None:
    assert "lr=0.1)" in patched(ParsedScript(LIGHTNING), [order("learning-rate", factor=0.1)]).text
    assert (
        "        for name, parameter in self.named_parameters():\n"
        in patched(ParsedScript(LIGHTNING), [order("zero-biases")]).text
    )
    assert reason(LIGHTNING, order("clip-adaptive")) == "line 4 gives the optimizer no name"
    assert reason(LIGHTNING) == "no optimizer.step() is found in this script"


def test_code_about_one_model_stands_at_the_steps_of_that_model() -> None:
    two = f"{HEAD}critic = torch.nn.Linear(2, 2)\nb = torch.optim.SGD(critic.parameters())\nopt.step()\nb.step()\n"
    after = patched(ParsedScript(two), [order("clip-weights", limit=0.1, parameters=["critic.**"])]).text
    assert after.endswith(
        "b.step()\nwith torch.no_grad():\n    for p in critic.parameters():\n        p.clamp_(-0.1, 0.1)\n"
    )
    alone = f"{HEAD}opt.step()\n"
    assert reason(alone, order("clip-weights", limit=0.1, parameters=["critic.**"])) == "its code speaks of critic"
    lost = f"{HEAD}print(critic.parameters())\nopt.step()\n"
    assert reason(lost, order("clip-weights", limit=0.1, parameters=["critic.**"])) == "there is nothing to change"


def test_an_optimizer_of_somebody_else_is_not_overlooked() -> None:
    recording = Recording(optimizers={0: Optimizer(0, "Adam"), 1: Optimizer(1, "Lion")})
    patch = patched(ParsedScript(f"{HEAD}opt.step()\n", recording=recording), [order("learning-rate", factor=0.1)])
    assert str(patch.left[0].why) == "it is not plain where Lion is made"


def test_names_of_its_own_do_not_take_those_of_the_script() -> None:
    text = f"{HEAD}name = 'mine'\nopt.step()\nprint(name)\n"
    patch = patched(ParsedScript(text), [order("zero-biases")])
    assert "for name_, parameter in net.named_parameters():\n    if name_.endswith" in patch.text
    assert str(patched(ParsedScript(patch.text), [order("zero-biases")]).left[0].why).endswith("stands there already")


def test_names_in_other_functions_are_no_obstacle() -> None:
    text = f"{HEAD}def f(name):\n    parameter = name\n    return parameter\nopt.step()\n"
    assert (
        "\nfor name, parameter in net.named_parameters():\n" in patched(ParsedScript(text), [order("zero-biases")]).text
    )
    text = f"{HEAD}def f():\n    return name\nopt.step()\n"
    assert (
        "\nfor name_, parameter in net.named_parameters():\n"
        in patched(ParsedScript(text), [order("zero-biases")]).text
    )


def test_what_is_made_in_one_function_is_not_known_in_another() -> None:
    text = "import torch\ndef main():\n    opt = torch.optim.SGD(p, lr=1)\n    go(opt)\ndef go(opt):\n    opt.step()\n"
    assert reason(text, order("warm-up", steps=9)) == "line 6 steps in another function"


def test_code_that_speaks_of_what_the_script_may_not_have_is_left() -> None:
    assert reason(HEAD, order("init-lsuv")) == "its code speaks of x"


@pytest.mark.parametrize("remedy", ["warm-up", "decay-learning-rate"])
def test_no_schedule_is_added_beside_one_that_writes_over_it(remedy: str) -> None:
    text = f"{HEAD}s = torch.optim.lr_scheduler.OneCycleLR(opt, 0.1, 100)\nopt.step()\n"
    dose = {"steps": 20} if remedy == "warm-up" else {"half_life": 20}
    assert reason(text, order(remedy, **dose)) == "OneCycleLR writes the learning rate by itself"


def test_zeroes_behind_the_step_where_that_is_made_now_and_then() -> None:
    text = f"{HEAD}for i, x in data:\n    f(x).backward()\n    if i % 4 == 3:\n        opt.step()\n"
    patch = patched(ParsedScript(text), [order("zero-gradients")])
    assert patch.text.endswith("        opt.step()\n        opt.zero_grad()\n")


def test_zeroes_the_one_that_was_forgotten() -> None:
    text = (
        f"{HEAD}b = torch.optim.SGD(other.parameters())\nfor x in data:\n    opt.zero_grad()\n    f(x).backward()\n"
        "    opt.step()\n    b.step()\n"
    )
    patch = patched(ParsedScript(text), [order("zero-gradients")])
    assert "    b.zero_grad()\n    f(x).backward()" in patch.text


def test_a_model_that_zeroes_its_gradients_counts() -> None:
    text = f"{HEAD}for x in data:\n    net.zero_grad()\n    f(x).backward()\n    opt.step()\n"
    assert reason(text, order("zero-gradients")) == "gradients are zeroed beside each step already"
