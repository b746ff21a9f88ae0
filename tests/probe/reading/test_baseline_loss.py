"""What knowing nothing of the inputs costs, as the targets tell it: no constant output is better."""

from collections.abc import Callable
from math import log, sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gradmedic.diagnosis.training_state import TrainingState, guessing, outcome
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


def test_classes_count_for_their_weights(watch: Watch) -> None:
    y, weight = torch.arange(400) % 2, torch.tensor([1.0, 9.0])
    [level] = guessed(watch, lambda out: F.cross_entropy(out, y, weight), 2)
    best = F.cross_entropy(weight.log().expand(400, 2), y, weight).item()
    assert level == pytest.approx(best, abs=0.01)


def _gathered(out: Tensor, y: Tensor) -> Tensor:
    return -out.log_softmax(1).gather(1, y[:, None]).mean()


def _one_hot(out: Tensor, y: Tensor) -> Tensor:
    return -(F.one_hot(y, 4) * F.log_softmax(out, 1)).sum(1).mean()


def _smoothed(out: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(out, y, label_smoothing=1e-4)


@pytest.mark.parametrize("loss", [_gathered, _one_hot, _smoothed])
@pytest.mark.parametrize("factor", [1.0, 0.25, 300.0])
def test_a_cross_entropy_is_known_however_it_is_written_and_scaled(
    watch: Watch, loss: Callable[[Tensor, Tensor], Tensor], factor: float
) -> None:
    y = torch.tensor([0] * 200 + [1] * 100 + [2] * 60 + [3] * 40)
    layer, x = nn.Linear(4, 4), torch.randn(400, 4)
    recording = watch(lambda: backward(factor * loss(layer(x), y)))
    best = _gathered(torch.tensor([[200.0, 100, 60, 40]]).log().expand(400, 4), y).item()
    assert guessing(recording, 0) == pytest.approx(factor * best, rel=0.01)


def test_several_losses_have_the_sum_of_their_guesses(watch: Watch) -> None:
    y, size = torch.arange(400) % 4, torch.randn(400, 1) * 3
    layer, x = nn.Linear(4, 5), torch.randn(400, 4)

    def loss() -> Tensor:
        out = layer(x)
        return F.cross_entropy(out[:, :4], y) + 0.5 * F.mse_loss(out[:, 4:], size)

    recording = watch(lambda: backward(loss()))
    assert guessing(recording, 0) == pytest.approx(log(4) + 0.5 * float(size.var()), rel=0.01)


@pytest.mark.parametrize(
    "loss",
    [
        lambda out, y: F.cross_entropy(out, y) + 0.3 * out.square().mean(),  # something is added
        lambda out, y: F.cross_entropy(out, y).sqrt(),  # it is no part of a sum
        lambda out, y: -(out.log_softmax(1).gather(1, y[:, None])[:, 0] * torch.rand(400)).mean(),  # rewards
    ],
)
def test_the_guess_of_another_loss_is_unknown(watch: Watch, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    layer, x, y = nn.Linear(4, 4), torch.randn(400, 4), torch.arange(400) % 4
    assert guessing(watch(lambda: backward(loss(layer(x), y))), 0) is None


def test_a_loss_that_is_divided_by_the_steps_of_an_accumulation_is_no_better_than_a_guess(watch: Watch) -> None:
    y, x = torch.arange(400) % 4, torch.randn(400, 4)
    model = nn.Linear(4, 4)

    def loop() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-8)
        for step in range(60):
            backward(F.cross_entropy(model(x), y, reduction="sum") / 800)
            if step % 2:
                optimizer.step()
                optimizer.zero_grad()

    assert outcome(watch(loop), 0) is TrainingState.FAILED


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
    assert outcome(run(watch, rate=0.0), 0) is TrainingState.FAILED
    learned = run(watch, rate=0.3)
    assert outcome(learned, 0) is not TrainingState.FAILED
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
    assert outcome(recording, 0) is not TrainingState.FAILED
