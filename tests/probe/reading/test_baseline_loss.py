"""What knowing nothing of the inputs costs, as the targets tell it: no constant output is better."""

from collections.abc import Callable
from math import log, sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.diagnosis.training_state import Outcome, guessing, outcome
from gradmedic.recording.records import Recording

Watch = Callable[..., Recording]


def backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def guessed(watch: Watch, loss: Callable[[Tensor], Tensor], outputs: int) -> list[float]:
    """All guesses that one pass of a linear layer shows."""
    layer = nn.Linear(4, outputs)
    x = torch.randn(400, 4)
    recording = watch(lambda: backward(loss(layer(x))))
    return [row["guess"] for row in recording.captures[0].sites.values() if "guess" in row]


def test_classes_cost_their_entropy(watch: Watch) -> None:
    y = torch.tensor([0] * 200 + [1] * 100 + [2] * 100)
    [level] = guessed(watch, lambda out: F.cross_entropy(out, y), 5)
    best = F.cross_entropy(torch.tensor([[200.0, 100, 100, 1e-9, 1e-9]]).log().expand(400, 5), y).item()
    assert level == pytest.approx(best, abs=0.01)
    assert level > best  # a batch shows less variety than there is
    [total] = guessed(watch, lambda out: F.cross_entropy(out, y, reduction="sum"), 5)
    assert total == pytest.approx(400 * level)


def test_what_is_ignored_does_not_count(watch: Watch) -> None:
    y = torch.tensor([0] * 150 + [1] * 150 + [-100] * 100)
    [level] = guessed(watch, lambda out: F.cross_entropy(out, y), 5)
    assert level == pytest.approx(log(2), abs=0.01)


def test_a_batch_that_is_too_small_for_its_classes_says_nothing_of_their_frequency(watch: Watch) -> None:
    y = torch.arange(400) % 100
    assert guessed(watch, lambda out: F.cross_entropy(out, y), 100) == [pytest.approx(log(100))]


def test_weights_of_classes_make_it_unknown(watch: Watch) -> None:
    y, weight = torch.arange(400) % 2, torch.tensor([1.0, 9.0])
    assert guessed(watch, lambda out: F.cross_entropy(out, y, weight), 2) == []


def _by_hand(out: Tensor, y: Tensor) -> Tensor:
    return ((out.tanh() - y) ** 2).mean()


@pytest.mark.parametrize("loss", [F.mse_loss, _by_hand])
def test_a_regression_costs_the_variance_of_each_output(watch: Watch, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    y = torch.randn(400, 3) * torch.tensor([1.0, 2.0, 3.0]) + torch.tensor([50.0, 0.0, -7.0])
    [level] = guessed(watch, lambda out: loss(out, y), 3)
    assert level == pytest.approx(float(y.double().var(0).mean()), rel=1e-5)


def test_yes_or_no_costs_the_entropy_of_its_frequency(watch: Watch) -> None:
    y = (torch.arange(400) % 4 == 0).float()[:, None]
    [level] = guessed(watch, lambda out: F.binary_cross_entropy_with_logits(out, y), 1)
    assert level == pytest.approx(-0.25 * log(0.25) - 0.75 * log(0.75))


def test_targets_of_another_shape_make_it_unknown(watch: Watch) -> None:
    layer = nn.Linear(4, 1)
    x, y = torch.randn(400, 4), torch.randn(400)
    with pytest.warns(UserWarning, match="target size"):
        recording = watch(lambda: backward(F.mse_loss(layer(x), y)))
    assert guessing(recording, 0) is None


def run(watch: Watch, rate: float, loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss) -> Recording:
    """Sixty steps of a regression that is easy to learn."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    nn.init.constant_(model.bias, 6.0)  # so that there is something to unlearn before there is something to learn
    x = torch.randn(200, 4)
    y = x @ torch.ones(4, 1)

    def loop() -> None:
        bias = torch.optim.SGD([model.bias], lr=0.3)
        rest = torch.optim.SGD([model.weight], lr=rate)
        for _ in range(60):
            value = loss(model(x), y)
            bias.zero_grad(), rest.zero_grad()
            backward(value)
            bias.step(), rest.step()

    return watch(loop)


def test_a_regression_that_only_finds_the_mean_has_failed(watch: Watch) -> None:
    assert outcome(run(watch, rate=0.0), 0) is Outcome.FAILED
    learned = run(watch, rate=0.3)
    assert outcome(learned, 0) is not Outcome.FAILED
    assert sqrt(guessing(learned, 0) or 0) == pytest.approx(2.0, abs=0.3)


def test_nothing_is_guessed_where_more_than_the_comparison_makes_up_the_loss(watch: Watch) -> None:
    recording = run(watch, 0.0, lambda out, y: F.mse_loss(out, y) + 0.1 * out.abs().mean())
    assert guessing(recording, 0) is None


def test_who_learns_the_little_that_there_is_to_learn_has_not_failed(watch: Watch) -> None:
    torch.manual_seed(0)
    model, x = nn.Linear(4, 1), torch.randn(2000, 4)
    y = 0.3 * x[:, :1] + torch.randn(2000, 1)  # a twelfth of the variance is not noise

    def loop() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        nn.init.zeros_(model.weight)
        nn.init.zeros_(model.bias)
        for _ in range(80):
            loss = F.mse_loss(model(x), y)
            optimizer.zero_grad()
            backward(loss)
            optimizer.step()

    recording = watch(loop)
    losses = [loss for _, loss in recording.losses(0)]
    assert losses[-1] > 0.9 * losses[0]
    assert outcome(recording, 0) is not Outcome.FAILED
