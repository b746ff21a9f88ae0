"""What looks like a learning rate that is too low, and what is one."""

from dataclasses import replace

from gradmedic.diagnosis.rules.learning_rate_too_low import LearningRateTooLow
from gradmedic.recording.records import Optimizer, Recording
from gradmedic.recording.sketch import Columns, parameter, site, sketch

STUCK = [2.30, 2.31] * 40


def run(pace: float, losses: list[float], pull: float = 0.1) -> Recording:
    held: Columns = {"weight_rms": 0.1, "grad_rms": 0.1 * pull, "update_rms": [0.1 * pace] * 4}
    return sketch(
        [site("fc", "linear", parameter="fc.weight", fan_in=64)],
        [parameter("fc.weight", held, shape=(64, 64))],
        losses=losses,
        lr=1e-6,
    )


def test_suggests_the_factor_to_a_usual_step() -> None:
    (finding,) = LearningRateTooLow().check(run(1e-5, STUCK))
    assert finding.evidence["suggested_factor"] == 100.0
    assert 'group["lr"] = 0.0001' in finding.next[0].code


def test_converged_is_not_slow() -> None:
    assert not list(LearningRateTooLow().check(run(6e-5, [2.0 * 0.8**i for i in range(20)] + [0.01] * 80)))


def test_weights_that_move_are_not_slow() -> None:
    assert not list(LearningRateTooLow().check(run(1e-3, STUCK)))


def test_no_gradient_is_another_disease() -> None:
    assert not list(LearningRateTooLow().check(run(1e-9, STUCK, pull=1e-9)))


def test_weights_that_never_move_have_no_rate_at_all() -> None:
    assert not list(LearningRateTooLow().check(run(0.0, STUCK)))


def test_of_a_schedule_the_highest_rate_is_told() -> None:
    drawn = LearningRateTooLow.SICK[1]
    rising = replace(drawn, vitals=[v._replace(lr=1e-8 * min(at, 20) / 20) for at, v in enumerate(drawn.vitals)])
    (found,) = LearningRateTooLow().check(rising)
    assert "The learning rate of 1e-08 is too low" in str(found.message)


def test_an_eps_that_outweighs_the_gradient_is_named_instead_of_the_rate() -> None:
    drawn = LearningRateTooLow.SICK[1]

    def said(eps: float) -> str:
        held = Optimizer(0, "Adam", {"lr": 1e-3, "eps": eps})
        (found,) = LearningRateTooLow().check(replace(drawn, optimizers={0: held}))
        return str(found.message)

    assert "The eps of Adam (0.1) outweighs the gradient (0.01)" in said(0.1)
    assert "eps" not in said(1e-8)
