"""Passes that a step adds up, and whether their losses are divided."""

import pytest

from gradmedic.diagnosis.features.accumulation import undivided_passes
from gradmedic.diagnosis.rules.learning_rate_too_high import LearningRateTooHigh
from gradmedic.recording.records import Event, Optimizer, Recording
from gradmedic.recording.sketch import site, sketch


def summed(steps: int, passes: int, *after: str, optimizer: str = "SGD", loss: str = "mse_loss") -> Recording:
    sites = [site("fc", "linear"), site("loss", loss), *(site(op, op) for op in after)]
    tallies = Event("tallies", 9, {"steps": steps, "backwards": passes})
    return sketch(sites, losses=[1.0] * 9, events=[tallies], optimizers=[Optimizer(0, optimizer)])


@pytest.mark.parametrize(
    ("recording", "passes"),
    [
        (summed(100, 800), 8),
        (summed(100, 799), 8),
        (summed(100, 100), 1),
        (summed(100, 250), 1),
        (summed(100, 800, "div"), 1),
        (summed(100, 800, optimizer="Adam"), 1),
        (summed(100, 800, loss="mean"), 8),  # a loss by hand
        (summed(100, 800, "div", loss="mean"), 1),
        (summed(100, 800, loss="exp"), 1),
    ],
)
def test_passes_are_counted_where_nothing_divides_their_losses(recording: Recording, passes: int) -> None:
    assert undivided_passes(recording, 0) == passes


def test_a_rate_that_is_too_high_for_a_sum_is_mended_by_the_mean() -> None:
    (found,) = LearningRateTooHigh().check(LearningRateTooHigh.SICK[2])
    assert found.next[0].code.endswith("/ 8")
    assert found.evidence["passes_per_step"] == 8
