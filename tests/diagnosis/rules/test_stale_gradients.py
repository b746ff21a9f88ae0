"""Stale gradients: how many steps, and what became of the run."""

from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.rules.stale_gradients import StaleGradients
from gradmedic.recording.records import Event, Optimizer
from gradmedic.recording.sketch import parameter, sketch

FALLING = [2.3 * 0.95**step for step in range(60)]
STUCK = [2.3] * 60


def severity(stale: int, losses: list[float]) -> Severity:
    events = [Event("stale-gradients", 1, {"optimizer": 0}), Event("tallies", 99, {"steps": 100, "stale_steps": stale})]
    (finding,) = StaleGradients().check(sketch(losses=losses, events=events))
    return finding.severity


def test_severity_follows_the_share_and_the_outcome() -> None:
    assert severity(99, STUCK) is Severity.CRITICAL
    assert severity(99, FALLING) is Severity.WARNING
    assert severity(20, STUCK) is Severity.WARNING
    assert severity(2, STUCK) is Severity.NOTE


def test_names_the_optimizer_and_its_line() -> None:
    event = Event("stale-gradients", 7, {"optimizer": 1, "file": "gan.py", "line": 40})
    drawn = sketch(losses=STUCK, events=[event], optimizers=[Optimizer(0, "Adam"), Optimizer(1, "RMSprop")])
    (finding,) = StaleGradients().check(drawn)
    assert (finding.places[0].name, finding.places[0].at, finding.since_step) == ("RMSprop", "gan.py:40", 7)


def test_explains_the_explosion_that_follows() -> None:
    (finding,) = StaleGradients().check(sketch(losses=STUCK, events=[Event("stale-gradients", 1, {"optimizer": 0})]))
    assert {"exploding-gradient", "non-finite", "learning-rate-too-high"} <= set(finding.explains)


def test_weights_that_are_moved_by_hand_have_no_optimizer_to_name() -> None:
    event = Event("stale-gradients", 1, {"optimizer": None})
    (finding,) = StaleGradients().check(sketch(losses=STUCK, events=[event], optimizers=[]))
    assert "The update by hand made" in str(finding.message)
    assert "p.grad = None" in finding.next[0].code


def test_of_several_optimizers_of_one_name_what_it_moves_tells_which() -> None:
    drawn = [
        parameter("encoder.fc.weight", {"grad_rms": 0.1}, optimizer=0, shape=(4, 4)),
        parameter("head.weight", {"grad_rms": 0.1}, optimizer=1, shape=(4, 4)),
    ]
    both = [Optimizer(0, "SGD"), Optimizer(1, "SGD")]
    tallies = Event("tallies", 200, {"steps": 200, "stale_steps": 199})
    stale = Event("stale-gradients", 1, {"optimizer": 0, "file": "train.py", "line": 31})
    recording = sketch([], drawn, losses=[2.3] * 20, events=[stale, tallies], optimizers=both)
    (finding,) = StaleGradients().check(recording)
    assert (finding.places[0].name, finding.places[0].parameter) == ("SGD(encoder.fc)", "encoder.fc.weight")
