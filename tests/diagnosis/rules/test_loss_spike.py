"""Loss spikes: beyond noise, again and again, and what became of the run."""

from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules.loss_spike import LossSpike
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import sketch


def noisy(steps: int, factor: float = 1.0) -> list[float]:
    return [factor**step * (1 + 0.1 * ((7 * step) % 5 - 2)) for step in range(steps)]


def leaping(losses: list[float], *at: int, times: float = 20.0) -> list[float]:
    return [loss * times if step in at else loss for step, loss in enumerate(losses)]


def judged(losses: list[float]) -> list[Finding]:
    return list(LossSpike().check(sketch(losses=losses)))


def test_counts_leaps_and_says_where() -> None:
    (finding,) = judged(leaping(noisy(200), 40, 90, 91, 150))
    assert (finding.evidence["spikes"], finding.since_step) == (3, 40)
    assert finding.severity is Severity.WARNING


def test_a_single_leap_that_it_got_over_is_a_note() -> None:
    (finding,) = judged(leaping(noisy(200), 40))
    assert finding.severity is Severity.NOTE


def test_leaps_of_a_run_that_learns_are_a_note() -> None:
    (finding,) = judged(leaping(noisy(200, 0.98), 40, 90, 150))
    assert finding.severity is Severity.NOTE


def test_leaps_in_a_contest_are_a_note() -> None:
    losses = leaping(noisy(200), 40, 90, 150)
    (finding,) = LossSpike().check(sketch(losses={0: losses, 1: noisy(200)}))
    assert finding.severity is Severity.NOTE


def test_the_last_losses_may_still_come_back() -> None:
    assert not judged(leaping(noisy(200), 199))


def test_a_slow_rise_is_no_leap() -> None:
    assert not judged(noisy(200, 1.02))


def test_too_few_losses_say_nothing() -> None:
    assert not judged(leaping(noisy(15), 10))


def test_an_empty_recording_says_nothing() -> None:
    assert not list(LossSpike().check(Recording()))
