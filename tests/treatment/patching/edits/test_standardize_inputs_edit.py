"""Data that is standardized only where it feeds the model and nothing else."""

import pytest
from support.edits import order

from gradmedic.treatment.patching import patched
from gradmedic.treatment.patching.script.source import ParsedScript

HEAD = (
    "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
    "net = torch.nn.Linear(8, 1)\nopt = torch.optim.SGD(net.parameters())\n"
)


def standardized(text: str) -> list[str]:
    """The lines that are added; or the one sentence why not."""
    patch = patched(ParsedScript(HEAD + text), [order("standardize-inputs")])
    if patch.left:
        return [str(patch.left[0].why)]
    before = (HEAD + text).splitlines()
    return [line for line in patch.text.splitlines() if line not in before]


ADDED = ["mean, std = X.mean(), X.std()", "X = (X - mean) / std"]


@pytest.mark.parametrize(
    "text",
    [
        "X = load()\nfor i in range(len(X)): f(net(X[i]), y[i])\n",
        "X = load()\nX = X.float()\nfor i in k.split(9):\n    f(net(X[i].to(device)), y[i])\nprint(X.shape[0])\n",
        "X = load()\nloader = DataLoader(TensorDataset(X[:90], y[:90]), 9)\nfor x, t in loader: net(x)\nnet(X[90:])\n",
        "X = load()\ndata = TensorDataset(X, y)\nfor x, t in DataLoader(data): net(x)\n",
    ],
)
def test_the_variable_that_feeds_the_model_is_found(text: str) -> None:
    assert standardized(text) == ADDED


def test_test_data_gets_the_numbers_of_the_training_data() -> None:
    text = "X, y = load()\nT, u = load()\nfor i in k: net(X[i])\nnet(T)\n"
    assert standardized(text) == [*ADDED, "T = (T - mean) / std"]


def test_names_that_are_taken_are_left_alone() -> None:
    text = "mean = 3\nX = load()\nfor i in k: net(X[i])\n"
    assert standardized(text) == ["mean_, std = X.mean(), X.std()", "X = (X - mean_) / std"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("X = load()\nfor i in k: f(net(X[i]), X[i])\n", "X is used in line 6, too"),
        ("X = load()\nY = X * 2\nfor i in k: net(X[i])\n", "X is used in line 6, too"),
        ("X = load()\nprint(f'{X.mean()}')\nfor i in k: net(X[i])\n", "X is used in line 6, too"),
        ("for i in k:\n    X = load(i)\n    net(X)\n", "it is not plain where X is made"),
        ("for x, t in loader: net(x)\n", "it is not plain what the model is fed with"),
        ("for x in loader: net(prepare(x))\n", "it is not plain what the model is fed with"),
        ("X = load()\nfor i in k: net(X[i], y[i])\n", "line 6 gives the model several things"),
        ("X = load()\ndef loss(net, X): return net(X)\n", "it is not plain where the model is called"),
        ("pass\n", "it is not plain where the model is called"),
    ],
)
def test_what_something_else_depends_on_is_left(text: str, why: str) -> None:
    assert standardized(text) == [why]


def test_features_are_standardized_each_only_where_rows_were_seen() -> None:
    text = f"{HEAD}X = load()\nfor i in k: net(X[i])\n"
    patch = patched(ParsedScript(text), [order("standardize-inputs", per="feature")])
    assert str(patch.left[0].why) == "it is not plain which dimension the features are"
