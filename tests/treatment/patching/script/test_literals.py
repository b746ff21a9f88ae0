"""Learning rates where scripts keep them: literals, constants, arguments of the command line, schedulers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.edits import order

from gradmedic.treatment.patching import patched
from gradmedic.treatment.patching.script.source import ParsedScript

RATE = order("learning-rate", factor=0.1)
ARGUMENTS = "p.add_argument('-r', '--rate', type=float, default=0.5)\nargs = p.parse_args()\n"


def slower(text: str, *args: str) -> list[str]:
    """The lines that a tenth of the learning rate changes, as they are then."""
    text = f"import torch\n{text}"
    patch = patched(ParsedScript(text, args=args), [RATE])
    assert not patch.left, str(patch.left[0].why)
    pairs = zip(text.splitlines(), patch.text.splitlines(), strict=True)
    return [after for before, after in pairs if before != after]


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("o = torch.optim.SGD(p, lr=0.5)", ["o = torch.optim.SGD(p, lr=0.05)"]),
        ("o = torch.optim.SGD(p, 3e-4, 0.9)", ["o = torch.optim.SGD(p, 3e-05, 0.9)"]),
        ("o = torch.optim.SGD(p, 5)", ["o = torch.optim.SGD(p, 0.5)"]),
        ("o = torch.optim.SGD(p, lr=10 ** -3)", ["o = torch.optim.SGD(p, lr=(10 ** -3) * 0.1)"]),
        ("o = torch.optim.AdamW(p)", ["o = torch.optim.AdamW(p, lr=0.0001)"]),
        ("o = torch.optim.AdamW(p, )", ["o = torch.optim.AdamW(p, lr=0.0001, )"]),
        ("LR = 0.5\no = torch.optim.SGD(p, lr=LR)", ["LR = 0.05"]),
        ("LR: float = 0.5\no = torch.optim.SGD(p, lr=LR)", ["LR: float = 0.05"]),
        ("LR = 0.5\no = torch.optim.SGD(p, lr=LR)\nprint(LR)", ["o = torch.optim.SGD(p, lr=LR * 0.1)"]),
        ("LR = 0.5\no = torch.optim.SGD(p, lr=LR)\nprint(f'{LR}')", ["o = torch.optim.SGD(p, lr=LR * 0.1)"]),
        ("LR = g()\no = torch.optim.SGD(p, lr=LR)", ["o = torch.optim.SGD(p, lr=LR * 0.1)"]),
        ("o = torch.optim.SGD(p, lr=c['lr'])", ["o = torch.optim.SGD(p, lr=c['lr'] * 0.1)"]),
        ("o = torch.optim.SGD(p, lr=a if b else c)", ["o = torch.optim.SGD(p, lr=(a if b else c) * 0.1)"]),
        (
            "o = torch.optim.SGD([{'params': p, 'lr': 2}], lr=1)",
            ["o = torch.optim.SGD([{'params': p, 'lr': 0.2}], lr=0.1)"],
        ),
        ("for p in ps:\n    p.data -= 0.5 * p.grad", ["    p.data -= 0.05 * p.grad"]),
        ("with torch.no_grad():\n    w -= rate * g", ["    w -= rate * 0.1 * g"]),
    ],
)
def test_is_changed_where_it_is_written(text: str, changed: list[str]) -> None:
    assert slower(text) == changed


def test_the_default_of_an_argument_is_changed_unless_it_was_given() -> None:
    text = f"{ARGUMENTS}o = torch.optim.SGD(p, lr=args.rate)"
    assert slower(text) == ["p.add_argument('-r', '--rate', type=float, default=0.05)"]
    for given_one in (["--rate", "0.2"], ["--rate=0.2"], ["-r", "0.2"], ["-r0.2"], ["--ra", "0.2"]):
        assert slower(text, *given_one) == ["o = torch.optim.SGD(p, lr=args.rate * 0.1)"]
    assert slower(f"{text}\nprint(args.rate)") == ["o = torch.optim.SGD(p, lr=args.rate * 0.1)"]


def test_rates_of_schedulers_are_changed_with_it() -> None:
    text = "o = torch.optim.SGD(p, lr=1.0)\ns = torch.optim.lr_scheduler.OneCycleLR(o, max_lr=2.0, total_steps=9)"
    assert [line.partition("lr=")[2][:3] for line in slower(text)] == ["0.1", "0.2"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("o = torch.optim.SGD(p, lr=1)\nfor g in o.param_groups: g['lr'] = f(step)", "line 3 sets the learning rate"),
        ("o = torch.optim.SGD(p, **options)", "line 2 does not write out its arguments"),
        ("g = [{'params': p, 'lr': 2}]\no = torch.optim.SGD(g)", "line 2 sets a learning rate for a group"),
        ("pass", "no learning rate is found in this script"),
        ("o = torch.optim.AdamW(p  # all\n)", "line 2 is written in an unusual way"),
    ],
)
def test_is_left_where_it_is_not_certain(text: str, why: str) -> None:
    patch = patched(ParsedScript(f"import torch\n{text}"), [RATE])
    assert [str(left.why) for left in patch.left] == [why]


def test_is_left_where_the_script_is_not_the_one_that_was_treated() -> None:
    patch = patched(ParsedScript("import torch\no = torch.optim.SGD(p, lr=1)\n", is_other=True), [RATE])
    assert "has changed since" in str(patch.left[0].why)


@settings(deadline=None, max_examples=50)
@given(st.floats(1e-6, 1e3), st.floats(1e-3, 1e3))
def test_a_rate_and_its_factor_multiply(rate: float, factor: float) -> None:
    text = f"import torch\no = torch.optim.SGD(p, lr={rate!r})\n"
    patch = patched(ParsedScript(text), [order("learning-rate", factor=factor)])
    assert float(patch.text.partition("lr=")[2].strip().rstrip(")")) == pytest.approx(rate * factor, rel=1e-5)
