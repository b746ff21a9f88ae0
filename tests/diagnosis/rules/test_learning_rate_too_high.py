"""What looks like a learning rate that is too high, and what is one."""

from math import nan

from gradmedic.diagnosis.rules.learning_rate_too_high import LearningRateTooHigh
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import Columns, parameter, site, sketch


def run(pace: list[float], losses: list[float], pull: float = 0.1, weight: float = 0.1) -> Recording:
    held: Columns = {"weight_rms": weight, "grad_rms": weight * pull, "update_rms": [weight * p for p in pace]}
    return sketch(
        [site("fc", "linear", parameter="fc.weight", fan_in=64)],
        [parameter("fc.weight", held, shape=(64, 64))],
        losses=losses,
        lr=0.5,
    )


def test_suggests_a_rate_that_moves_a_hundredth() -> None:
    (finding,) = LearningRateTooHigh().check(run([1.0] * 5, [2.3] + [5.0] * 40))
    assert 'group["lr"] = 0.005' in finding.next[0].code


def test_one_large_step_is_not_enough() -> None:
    assert not list(LearningRateTooHigh().check(run([3.0, 0.01, 0.01, 0.01], [2.3] * 40)))


def test_one_is_enough_where_there_was_no_time_for_a_second() -> None:
    assert list(LearningRateTooHigh().check(run([3.0], [2.3, *[nan] * 20])))


def test_steps_after_the_loss_was_infinite_do_not_count() -> None:
    assert not list(LearningRateTooHigh().check(run([0.01, 0.01, 9.0, 9.0], [2.3, 2.2, *[nan] * 20])))


def test_weights_that_start_near_zero_have_no_size_to_compare_with() -> None:
    assert not list(LearningRateTooHigh().check(run([9.0] * 4, [2.3] * 40, weight=1e-5)))


def test_what_learns_is_not_too_high() -> None:
    assert not list(LearningRateTooHigh().check(run([0.5] * 5, [2.3 * 0.93**i for i in range(60)])))
