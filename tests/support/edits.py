"""Scripts before and after each kind of edit, written out by hand."""

from dataclasses import dataclass
from typing import Any

from gradmedic.treatment.patching import Order
from gradmedic.treatment.prescription import Item
from gradmedic.treatment.remedies import remedy_from


@dataclass(frozen=True)
class Case:
    """A remedy, a script, and that script with the remedy written into it."""

    remedy: str
    dose: dict[str, Any]
    before: str
    after: str

    @property
    def order(self) -> Order:
        """The remedy, with the code that it really prints."""
        item = Item(self.remedy, self.dose)
        return Order(item, remedy_from(item).code())

    def __str__(self) -> str:
        return f"{self.remedy}-{'-'.join(map(str, self.dose.values()))}".replace(" ", "")


def order(remedy: str, **dose: Any) -> Order:
    """A remedy at a dose, with the code that it really prints."""
    return Case(remedy, dose, "", "").order


SCRIPT = """\
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Tanh())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = torch.sigmoid(self.body(x))
        return self.head(x)


model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
for x, y in data:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
"""


def changed(*pairs: str, script: str = SCRIPT) -> tuple[str, str]:
    """A script, and the same with some pieces of text in the place of others; a piece ends where the next begins."""
    after = script
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert after.count(old) == 1, f"{old!r} is there {after.count(old)} times"
        after = after.replace(old, new)
    return script, after


MAKING = "optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)\n"
STEP = "    optimizer.step()\n"
CLIP = "    nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.5)\n"

HALVES = SCRIPT.replace("model = Net()", "model = Net().half()").replace("for x, y", "t = torch.float16\nfor x, y")
CAST = SCRIPT.replace("loss = F", 'with torch.autocast("cuda", dtype=torch.float16):\n        loss = F')
DETACHED = SCRIPT.replace("self.body(x))", "self.body(x).detach())")
BLOCKED = SCRIPT.replace(
    "        x = torch.sigmoid(self.body(x))", "        with torch.no_grad():\n            x = self.body(x)"
)
LISTED = SCRIPT.replace("nn.Sequential(", "[").replace("nn.Tanh())", "nn.Tanh()]")
SOFT = SCRIPT.replace("return self.head(x)", "return F.softmax(self.head(x), dim=1)")
NLL = SCRIPT.replace("F.cross_entropy", "F.nll_loss")
SQUASHED = SCRIPT.replace("F.cross_entropy", "F.binary_cross_entropy_with_logits")
LOG = SCRIPT.replace("return self.head(x)", "p = self.head(x).softmax(-1)\n        return torch.log(p) / x.norm(dim=1)")
ATTENTION = SCRIPT.replace("self.body(x))", "F.softmax(x @ x.T, dim=-1))")
MASKED = SCRIPT.replace("x = torch.sigmoid(self.body(x))", "x = torch.softmax(x, 1)")
ROUNDED = SCRIPT.replace("x = torch.sigmoid(self.body(x))", "x = torch.round(x) * 2")
UNZEROED = SCRIPT.replace("    optimizer.zero_grad()\n", "")
LATE = UNZEROED.replace("loss.backward()\n", "loss.backward()\n    optimizer.zero_grad()\n")
PARTS = SCRIPT.replace("model = Net()", "encoder = Net()\nmodel = Net()")

SQUARED = SCRIPT.replace("torch.sigmoid(self.body(x))", "x * x")
LOOPED = SCRIPT.replace("x = torch.sigmoid(self.body(x))", "for layer in self.body:\n            x = layer(x)")
FED = SCRIPT.replace("for x, y in data:", "X = load()\nfor i in range(len(X)):").replace("model(x)", "model(X[i])")
STANDARD = "X = load()\nmean, std = X.mean(), X.std()\nX = (X - mean) / std\n"

BLOCKS = SCRIPT.replace("class Net", "class Block").replace(
    "model = Net()",
    """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*[Block() for _ in range(9)])


model = Net()""",
)
BLOCKS = BLOCKS.replace("x = torch.sigmoid(self.body(x))", "h = torch.sigmoid(self.body(x))")
ANEW = SCRIPT.replace("x = torch.sigmoid(self.body(x))\n", "x = self.body(x)\n        x = torch.tensor(x.tolist())\n")
LATER = SCRIPT.replace("for x, y", "model = Net()\nfor x, y").replace(
    "model = Net()\noptimizer", "model = Net(1)\noptimizer"
)
HELD = "held = list(model.parameters())\noptimizer = torch.optim.SGD(held, lr=0.5)\n"
TOTAL = SCRIPT.replace("return self.head(x)", "p = torch.exp(x).sum(1)\n        return torch.log(p)")

CASES = [
    Case("clip-grad-norm", {"max_norm": 1.5}, *changed(STEP, CLIP + STEP)),
    Case(
        "clip-grad-norm",
        {"max_norm": 0.5},
        *changed("max_norm=1.5", "max_norm=0.5", script=changed(STEP, CLIP + STEP)[1]),
    ),
    Case(
        "clip-grad-value",
        {"limit": 0.1},
        *changed(STEP, f"    nn.utils.clip_grad_value_(model.parameters(), clip_value=0.1)\n{STEP}"),
    ),
    Case("learning-rate", {"factor": 0.1}, *changed("lr=0.5", "lr=0.05")),
    Case("change-optimizer", {"rate": 0.003}, *changed("SGD", "AdamW", "lr=0.5, momentum=0.9", "lr=0.003")),
    Case("weight-decay", {"rate": 0.01}, *changed("momentum=0.9", "momentum=0.9, weight_decay=0.01")),
    Case(
        "decay-learning-rate",
        {"half_life": 100},
        *changed(
            *(MAKING, f"{MAKING}decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.993092)\n"),
            *(STEP, f"{STEP}    decay.step()\n"),
        ),
    ),
    Case(
        "clip-adaptive",
        {"rule": "robust"},
        *changed(
            "import torch\n",
            "import gradmedic as gm\nimport torch\n",
            MAKING,
            f"{MAKING}clip = gm.clip.robust(optimizer)\n",
        ),
    ),
    Case(
        "zero-biases",
        {},
        *changed(
            MAKING,
            "for name, parameter in model.named_parameters():\n"
            '    if name.endswith("bias"):\n'
            f"        nn.init.zeros_(parameter)\n{MAKING}",
        ),
    ),
    Case(
        "swap-activation",
        {"sites": ["train.py:13/sigmoid", "body.1/sigmoid"]},
        *changed("torch.sigmoid(", "torch.relu(", "nn.Sigmoid()", "nn.ReLU()"),
    ),
    Case(
        "swap-activation",
        {"sites": ["train.py:13/sigmoid"], "to": "gelu", "weights": ["body.*.weight"]},
        *changed(
            *("import torch\n", "import re\nimport torch\n"),
            *("torch.sigmoid(", "F.gelu("),
            *(
                MAKING,
                "for name, weight in model.named_parameters():\n"
                '    if re.fullmatch(r"body\\.[^.]*\\.weight", name) and weight.dim() > 1:\n'
                "        nn.init.normal_(weight, std=1.481 / weight[0].numel() ** 0.5)\n"
                '    elif re.fullmatch(r"body\\.[^.]*\\.bias", name):\n'
                f"        nn.init.zeros_(weight)\n{MAKING}",
            ),
        ),
    ),
    Case(
        "swap-activation",
        {"sites": ["train.py:13/sigmoid"], "to": "identity"},
        *changed("torch.sigmoid(self.body(x))", "self.body(x)"),
    ),
    Case(
        "change-output",
        {"sites": ["train.py:14/softmax"]},
        *changed("F.softmax(self.head(x), dim=1)", "self.head(x)", script=SOFT),
    ),
    Case("change-output", {"to": "positive"}, *changed("model(x), y", "(F.softplus(model(x)) + 1e-6), y")),
    Case("fill-missing", {}, *changed("model(x)", "model(torch.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0))")),
    Case(
        "zero-gradients",
        {},
        *changed("    loss.backward", "    optimizer.zero_grad()\n    loss.backward", script=UNZEROED),
    ),
    Case(
        "zero-gradients",
        {"only": True},
        *changed(
            "    loss.backward()\n    optimizer.zero_grad()\n",
            "    optimizer.zero_grad()\n    loss.backward()\n",
            script=LATE,
        ),
    ),
    Case(
        "hold-parameters",
        {"parameters": ["body[*].weight"]},
        *changed("[nn.L", "nn.ModuleList([nn.L", "nn.Tanh()]", "nn.Tanh()])", script=LISTED),
    ),
    Case(
        "hold-parameters",
        {"parameters": ["encoder.**"]},
        *changed("SGD(model.parameters()", "SGD([*encoder.parameters(), *model.parameters()]", script=PARTS),
    ),
    Case("logits-to-loss", {}, *changed("F.softmax(self.head(x), dim=1)", "self.head(x)", script=SOFT)),
    Case("logits-to-loss", {}, *changed("nll_loss", "cross_entropy", script=NLL)),
    Case("logits-to-loss", {}, *changed("entropy_with_logits", "entropy", script=SQUASHED)),
    Case("add-epsilon", {"sites": ["train.py:15/log"]}, *changed("log(p)", "log(p.clamp(min=1e-06))", script=LOG)),
    Case(
        "add-epsilon",
        {"sites": ["train.py:15/div"]},
        *changed("x.norm(dim=1)", "x.norm(dim=1).clamp(min=1e-06)", script=LOG),
    ),
    Case(
        "stable-logarithms",
        {},
        *changed("p = self", "log_p = self", ".softmax", ".log_softmax", "torch.log(p)", "log_p", script=LOG),
    ),
    Case(
        "scale-attention",
        {"sites": ["train.py:13/softmax"], "factor": 0.125},
        *changed("x @ x.T", "x @ x.T * 0.125", script=ATTENTION),
    ),
    Case(
        "safe-softmax",
        {"sites": ["train.py:13/softmax"]},
        *changed(
            "x = torch.softmax(x, 1)",
            "empty = x.isneginf().all(1, keepdim=True)\n"
            "        x = torch.softmax(x.masked_fill(empty, 0.0), 1).masked_fill(empty, 0.0)",
            script=MASKED,
        ),
    ),
    Case(
        "straight-through",
        {"sites": ["train.py:13/round"]},
        *changed("torch.round(x)", "(x + (torch.round(x) - x).detach())", script=ROUNDED),
    ),
    Case("reconnect", {"parameters": ["body.*.weight"]}, *changed(".detach()", "", script=DETACHED)),
    Case(
        "reconnect",
        {"parameters": ["body.*.weight"], "lines": ["train.py:14"]},
        *changed("with torch.no_grad():\n            x", "x", script=BLOCKED),
    ),
    Case("use-bfloat16", {}, *changed("half()", "bfloat16()", "torch.float16", "torch.bfloat16", script=HALVES)),
    Case("use-float32", {}, *changed("half()", "float()", "torch.float16", "torch.float32", script=HALVES)),
    Case(
        "scale-loss",
        {"scale": 1024.0},
        *changed(
            *(MAKING, f'{MAKING}scaler = torch.amp.GradScaler("cuda", init_scale=1024.0)\n'),
            *("loss.backward()", "scaler.scale(loss).backward()"),
            *(STEP, "    scaler.step(optimizer)\n    scaler.update()\n"),
            script=CAST,
        ),
    ),
    Case("use-float32", {"sites": ["train.py:13/mul"]}, *changed("x * x", "x.float() * x.float()", script=SQUARED)),
    Case("standardize-inputs", {}, *changed("X = load()\n", STANDARD, script=FED)),
    Case(
        "standardize-inputs",
        {"per": "largest"},
        *changed("X = load()\n", "X = load()\nlargest = X.abs().max()\nX = X / largest\n", script=FED),
    ),
    Case("normalize", {"sites": ["body.2/linear"]}, *changed("8), nn.Tanh()", "8), nn.LayerNorm(8), nn.Tanh()")),
    Case(
        "normalize",
        {"sites": ["head/linear"], "kind": "batch"},
        *changed(
            *("nn.Linear(8, 3)\n", "nn.Linear(8, 3)\n        self.head_norm = nn.BatchNorm1d(3)\n"),
            *("self.head(x)", "self.head_norm(self.head(x))"),
        ),
    ),
    Case(
        "residual",
        {"modules": ["body.*"], "branch": 0.3},
        *changed("x = layer(x)", "x = x + 0.3 * layer(x)", script=LOOPED),
    ),
    Case(
        "residual", {"modules": ["blocks.*"]}, *changed("return self.head(x)", "return x + self.head(x)", script=BLOCKS)
    ),
    Case(
        "reconnect",
        {"parameters": ["body.*.weight"]},
        *changed("        x = torch.tensor(x.tolist())\n", "", script=ANEW),
    ),
    Case(
        "hold-parameters",
        {"parameters": ["body.**", "head.*"]},
        *changed(f"{MAKING}model = Net()\n", f"model = Net()\n{MAKING}", script=LATER),
    ),
    Case(
        "hold-parameters",
        {"parameters": ["encoder.**"]},
        *changed("SGD(held", "SGD([*encoder.parameters(), *held]", script=PARTS.replace(MAKING, HELD)),
    ),
    Case(
        "stable-logarithms",
        {},
        *changed("p = torch.exp(x).sum(1)", "log_p = x.logsumexp(1)", "torch.log(p)", "log_p", script=TOTAL),
    ),
]
