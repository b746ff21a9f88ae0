"""Losses that measure nothing are told from those that do."""

from pathlib import Path

import pytest
from support.arms import falling, outcome, series

from gradmedic.trials.surrogates import draws_what_it_weighs, why_no_measure
from gradmedic.trials.trial import Script

REINFORCE = """
chosen = Categorical(logits=policy(states))
action = chosen.sample()
loss = (chosen.log_prob(action) * cost).mean()
"""
DENSITY = "loss = -Normal(*model(x)).log_prob(y).mean()"
DROPOUT = "x = torch.bernoulli(p) * x; batch = random.sample(rows, 3); loss = cross_entropy(x, y)"


@pytest.mark.parametrize(("source", "draws"), [(REINFORCE, True), (DENSITY, False), (DROPOUT, False), ("x = (", False)])
def test_a_policy_gradient_is_known_by_its_calls(source: str, draws: bool) -> None:
    assert draws_what_it_weighs(source) is draws


@pytest.mark.parametrize(
    ("source", "losses", "contends", "words"),
    [
        (REINFORCE, falling(2, 1), False, "log-probabilities"),
        (DENSITY, falling(2, 1), False, ""),
        (DENSITY, [2.0, 1.0, -1.0], False, "below zero"),
        (DENSITY, [2.0, float("nan")], False, ""),
        (DENSITY, falling(2, 1), True, "against each other"),
    ],
)
def test_the_reason_is_given(tmp_path: Path, source: str, losses: list[float], contends: bool, words: str) -> None:
    (tmp_path / "train.py").write_text(source)
    control = outcome(losses, series={"train.py:9": series(losses, contends=contends)})
    found = why_no_measure(control, Script("train.py", folder=str(tmp_path)))
    assert (words in str(found)) if words else found is None
