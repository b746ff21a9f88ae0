"""How far a learning rate misses, by the size of its steps."""

import pytest

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.recording.records import Optimizer, Recording
from gradmedic.recording.sketch import parameter, sketch
from gradmedic.treatment.learning_rate_doses import factors


def a_finding(rule: str, rank: int = 2, **evidence: float) -> Finding:
    return Finding(rule, Severity.CRITICAL, Message(""), Message(""), evidence=evidence, rank=rank)


def a_run(update: float, lr: float, optimizer: str = "SGD") -> Recording:
    held = {"grad_rms": 0.1, "weight_rms": 0.1, "update_rms": 0.1 * update}
    owned = [parameter("fc.weight", held, shape=(64, 64))]
    return sketch([], owned, losses=[1.0] * 9, lr=lr, optimizers=[Optimizer(0, optimizer)])


def test_steps_that_are_too_large_become_usual_ones() -> None:
    first, *others = factors(a_finding("learning-rate-too-high"), a_run(3.0, 1.0))
    assert first == pytest.approx(0.001)
    assert others == pytest.approx([0.01, 0.0001])


def test_an_adaptive_optimizer_gets_its_usual_rate_first() -> None:
    assert next(factors(a_finding("learning-rate-too-high"), a_run(3.0, 0.5, "Adam"))) == pytest.approx(0.002)
    low = a_finding("learning-rate-too-low", suggested_factor=96.2)
    assert list(factors(low, a_run(1e-5, 1e-6, "Adam")))[:2] == pytest.approx([1000.0, 100.0])


def test_a_schedule_that_takes_the_rate_away_is_no_matter_of_a_factor() -> None:
    assert not list(factors(a_finding("learning-rate-too-low", learning_rate_last=1e-9), a_run(1e-5, 0.1)))


def test_no_step_is_to_blame_for_what_was_wrong_before_the_first() -> None:
    assert not list(factors(a_finding("dead-relu", rank=1), a_run(3.0, 1.0)))
