"""Which text a site stands for: several on a line, chains, loops, modules in lists, and what else a line makes."""

from typing import Any

import pytest
from support.edits import order

from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.treatment.patching import patched
from gradmedic.treatment.patching.script.source import ParsedScript

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def swapped(text: str, *sites: str, recording: Recording | None = None, to: str = "gelu") -> str:
    """The text with GELU at some sites; or why not."""
    patch = patched(
        ParsedScript(HEAD + text, recording=recording), [order("swap-activation", sites=list(sites), to=to)]
    )
    return str(patch.left[0].why) if patch.left else patch.text.removeprefix(HEAD)


def seen(*sites: dict[str, Any]) -> Recording:
    """A recording of sites in their order."""
    made = [
        Site(at, f"s{at}", Kind.ACTIVATION, order=at, **{"file": "/there/train.py", **site})
        for at, site in enumerate(sites)
    ]
    return Recording(sites={site.id: site for site in made})


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("y = torch.tanh(x)", "y = F.gelu(x)"),
        ("y = F.tanh(input=x)", "y = F.gelu(x)"),
        ("y = x.tanh()", "y = F.gelu(x)"),
        ("y = (a + b).tanh()", "y = F.gelu(a + b)"),
        ("y = torch.tanh(h := g(x))", "y = F.gelu(h := g(x))"),
        ("y = (h := g(x)).tanh()", "y = F.gelu(h := g(x))"),
        (
            "y = torch.tanh(  # why\n    g(\n        x,\n    )  # so\n)",
            "y = F.gelu(  # why\n    g(\n        x,\n    )  # so\n)",
        ),
        ("a = torch.tanh(x); b = 'tanh'", "a = F.gelu(x); b = 'tanh'"),
        ("y = torch.tanh(torch.tanh(x)).tanh()", "y = F.gelu(F.gelu(F.gelu(x)))"),
        ("y = '变量', torch.tanh(x)", "y = '变量', F.gelu(x)"),
        ("y = f'{torch.tanh(x)}', torch.tanh(x)", "y = f'{torch.tanh(x)}', F.gelu(x)"),
        ("y = [torch.tanh(one) for one in x]", "y = [F.gelu(one) for one in x]"),
        ("@torch.compile\ndef tanh(x): return 1", "no tanh is written in line 4"),
        ("y = self.tanh(x)", "no tanh is written in line 4"),
        ("x.tanh_()", "line 4 works in place"),
        ("y = (x  # why\n).tanh()", "no tanh is written in line 4"),
    ],
)
def test_an_activation_in_a_line_is_found_however_it_is_written(text: str, after: str) -> None:
    assert swapped(text, "train.py:4/tanh") == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("y = F.relu(x, inplace=True)", "y = F.leaky_relu(x, 0.2)"),
        ("y = x.relu()", "y = F.leaky_relu(x, 0.2)"),
        ("y = torch.relu(x)", "y = F.leaky_relu(x, 0.2)"),
        ("y = F.relu(x, True  # in place\n)", "a comment stands among the arguments of what would be changed"),
    ],
)
def test_arguments_go_with_the_activation(text: str, after: str) -> None:
    assert swapped(text, "train.py:4/relu", to="leaky_relu(0.2)") == after


def test_arguments_of_a_module_stand_where_it_is_made() -> None:
    text = "net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(True))"
    after = text.replace("ReLU(True)", "LeakyReLU(negative_slope=0.2)")
    assert swapped(text, "1/relu", to="leaky_relu(negative_slope=0.2)") == after


def test_a_chain_over_several_lines_has_a_line_for_each() -> None:
    chain = "y = (\n    x.tanh()\n    .tanh()\n)"
    assert swapped(chain, "train.py:6/tanh", to="relu") == chain.replace("    .tanh()", "    .relu()")
    assert swapped(chain, "train.py:5/tanh", to="relu") == chain.replace("x.tanh()", "x.relu()")


def test_one_of_several_is_told_by_its_turn_and_inner_ones_come_first() -> None:
    text = "y = torch.tanh(self.middle(torch.tanh(x)))"
    assert swapped(text, "train.py:4/tanh#0") == "y = torch.tanh(self.middle(F.gelu(x)))"
    assert swapped(text, "train.py:4/tanh#1") == "y = F.gelu(self.middle(torch.tanh(x)))"


def test_one_turn_of_a_loop_cannot_be_meant() -> None:
    assert "is run several times" in swapped("for f in fs: x = torch.tanh(f(x))", "train.py:4/tanh#2")
    twice = seen(*[{"op": "tanh", "line": 4}] * 4)
    assert "is run several times" in swapped(
        "y = g(torch.tanh(x), torch.tanh(z))", "train.py:4/tanh#1", recording=twice
    )


def test_a_line_of_another_file_is_left() -> None:
    assert swapped("y = torch.tanh(x)", "layers.py:4/tanh") == "layers.py:4/tanh stands in another file"


NET = """
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.act = nn.Tanh()
    def forward(self, x):
        return torch.tanh(self.act(self.fc(x)))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.1))
        self.blocks = nn.ModuleList([Block(8) for _ in range(3)])
        self.tail = nn.Sequential(*[layer for _ in range(2) for layer in (nn.Linear(8, 8), nn.Tanh())])
net = Net().to("cpu")
"""


@pytest.mark.parametrize(
    ("site", "line"),
    [
        ("stem.1/tanh", "        self.stem = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout(0.1))"),
        ("blocks.*.act/tanh", "        self.act = nn.GELU()"),
        ("blocks.2.act/tanh", "        self.act = nn.GELU()"),
        (
            "tail.3/tanh",
            "        self.tail = nn.Sequential(*[layer for _ in range(2) for layer in (nn.Linear(8, 8), nn.GELU())])",
        ),
        ("net.stem.1/tanh", "        self.stem = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout(0.1))"),
    ],
)
def test_a_module_is_found_where_it_is_made(site: str, line: str) -> None:
    after = swapped(NET, site)
    assert [new for new in after.splitlines() if new not in NET.splitlines()] == [line]


@pytest.mark.parametrize("site", ["stem.0/tanh", "tail.2/tanh", "nowhere.1/tanh", "stem.7/tanh"])
def test_a_module_that_is_not_there_is_left(site: str) -> None:
    assert swapped(NET, site) == f"it is not plain where the script makes {site}"


def blocks(*numbers: int) -> list[dict[str, Any]]:
    return [{"op": "tanh", "module": f"blocks.{n}.act", "module_type": "Tanh", "line": 11} for n in numbers]


def functions(*numbers: int) -> list[dict[str, Any]]:
    return [{"op": "tanh", "module": f"blocks.{n}", "module_type": "Block", "line": 11} for n in numbers]


def test_a_line_that_makes_more_than_is_meant_is_left() -> None:
    recording = seen(*blocks(0, 1, 2))
    assert swapped(NET, "blocks.*.act/tanh", recording=recording) == NET.replace(
        "self.act = nn.Tanh()", "self.act = nn.GELU()"
    )
    assert swapped(NET, "blocks.1.act/tanh", recording=recording) == "line 9 also makes s0, which is to stay"


def test_functions_in_a_module_are_found_by_where_they_were_seen() -> None:
    recording = seen(*functions(0, 1, 2), *blocks(0, 1, 2))
    after = swapped(NET, "blocks.*/tanh", recording=recording)
    assert after == NET.replace("return torch.tanh(self", "return F.gelu(self")
    assert swapped(NET, "blocks.0/tanh", recording=recording) == "line 11 also makes s1, which is to stay"


def test_the_only_place_that_makes_such_modules_is_taken_if_all_of_them_are_meant() -> None:
    loop = "for _ in range(3):\n    layers = [*layers, nn.Linear(8, 8), nn.Tanh()]\n"
    text = f"layers = []\n{loop}net = nn.Sequential(*layers)\n"
    sites = [{"op": "tanh", "module": f"{n}", "module_type": "Tanh", "line": 9} for n in (1, 3, 5)]
    assert swapped(text, "*/tanh", recording=seen(*sites)) == text.replace("nn.Tanh", "nn.GELU")
    assert "also makes" in swapped(text, "1/tanh", "3/tanh", recording=seen(*sites))
    assert "not plain" in swapped(f"{text}other = nn.Tanh()\n", "*/tanh", recording=seen(*sites))


STACK = """
def stack(width, depth):
    layers = [nn.Linear(9, width), nn.Tanh()]
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.Tanh()]
    layers.append(nn.Linear(width, 3))
    return nn.Sequential(*layers, nn.Tanh())
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = stack(8, 3)
        self.blocks = nn.ModuleList()
        for _ in range(3):
            self.blocks.append(nn.Sequential(nn.Linear(8, 8), nn.Tanh()))
net = Net()
net.parameters()
"""


def tanhs(*paths: str) -> list[dict[str, Any]]:
    return [{"op": "tanh", "module": path, "module_type": "Tanh", "line": 30} for path in paths]


def test_a_list_that_is_built_up_is_counted_by_what_was_seen() -> None:
    """Of ten entries the first two and the last two are made by themselves, and the six between them in a loop."""
    recording = seen(*tanhs("body.1", "body.3", "body.5", "body.7", "body.9"))
    inner = STACK.replace("+= [nn.Linear(width, width), nn.Tanh()]", "+= [nn.Linear(width, width), nn.GELU()]")
    assert swapped(STACK, "body.3/tanh", "body.5/tanh", "body.7/tanh", recording=recording) == inner
    first = STACK.replace("[nn.Linear(9, width), nn.Tanh()]", "[nn.Linear(9, width), nn.GELU()]")
    assert swapped(STACK, "body.1/tanh", recording=recording) == first
    assert swapped(STACK, "body.9/tanh", recording=recording) == STACK.replace(
        "*layers, nn.Tanh()", "*layers, nn.GELU()"
    )
    assert "also makes" in swapped(STACK, "body.3/tanh", recording=recording)
    assert "not plain" in swapped(STACK, "body.3/tanh")


def test_a_module_list_that_is_built_up_is_made_in_its_loop() -> None:
    after = STACK.replace("nn.Linear(8, 8), nn.Tanh()", "nn.Linear(8, 8), nn.GELU()")
    assert swapped(STACK, "blocks.*.1/tanh") == after
    assert swapped(STACK, "blocks.2.1/tanh") == after


@pytest.mark.parametrize("change", ["layers[0] = nn.ReLU()", "layers.pop()", "if depth: layers += [nn.ReLU()]"])
def test_a_list_that_is_changed_in_other_ways_is_left(change: str) -> None:
    text = STACK.replace("    layers.append", f"    {change}\n    layers.append")
    assert "not plain" in swapped(text, "body.1/tanh", recording=seen(*tanhs("body.1", "body.3", "body.9")))


def test_a_class_that_is_handed_on_is_swapped_as_one() -> None:
    text = "def build(act):\n    return nn.Sequential(nn.Linear(8, 8), act(), nn.Linear(8, 1))\nnet = build(nn.Tanh)\n"
    site = {"op": "tanh", "module": "1", "module_type": "Tanh", "line": 9}
    assert swapped(text, "1/tanh", recording=seen(site)) == text.replace("nn.Tanh", "nn.GELU")


def test_what_was_never_seen_is_left() -> None:
    assert swapped(NET, "stem.1/tanh", recording=seen(*blocks(0))) == "stem.1/tanh was not seen when the script ran"


def test_an_import_is_added_only_where_no_name_is_there() -> None:
    text = "from torch.nn import Linear, Tanh\nact = Tanh()\nmodel = act\n"
    patch = patched(ParsedScript(text), [order("swap-activation", sites=["act/tanh"], to="relu")])
    assert not patch.written  # what `act` is a part of cannot be told
    text = "from torch import tanh\ny = tanh(x)\n"
    patch = patched(ParsedScript(text), [order("swap-activation", sites=["train.py:2/tanh"], to="relu")])
    assert patch.text == "import torch\nfrom torch import tanh\ny = torch.relu(x)\n"
    text = "from torch import tanh\ntorch = 3\ny = tanh(x)\n"
    patch = patched(ParsedScript(text), [order("swap-activation", sites=["train.py:3/tanh"], to="relu")])
    assert str(patch.left[0].why) == "the name torch means something else here"


def test_a_text_that_is_no_python_is_left_as_it_is() -> None:
    patch = patched(ParsedScript("def f(:\n"), [order("learning-rate", factor=0.1)])
    assert "is not valid Python" in str(patch.left[0].why)
    assert patch.text == "def f(:\n"
