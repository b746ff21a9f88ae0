"""What looks like a gradient that vanishes through time, and what is one."""

from gradmedic.diagnosis.rules.vanishing_through_time import VanishingThroughTime
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch

STUCK = [1.386] * 60


def recurrent(profile: list[float], losses: list[float]) -> Recording:
    return sketch(
        [site("cell", "linear", {"grad_rms": [0.01] * 3}, parameter="cell.weight", repeats=len(profile))],
        [parameter("cell.weight", {"weight_rms": 0.1, "update_rms": [1e-3] * 3}, shape=(8, 8))],
        losses=losses,
        profiles={"cell": profile},
    )


def decay(factor: float, steps: int) -> list[float]:
    return [factor ** (steps - 1 - at) for at in range(steps)]


def test_tells_the_horizon_in_steps() -> None:
    (finding,) = VanishingThroughTime().check(recurrent(decay(0.5, 40), STUCK))
    assert finding.evidence["horizon_steps"] == 10.0
    assert finding.places[0].name == "cell"


def test_flushed_steps_do_not_hide_the_rate() -> None:
    (finding,) = VanishingThroughTime().check(recurrent([0.0] * 30 + decay(0.1, 10), STUCK))
    assert finding.evidence["decades_per_step"] == -1.0


def test_a_sequence_read_in_the_middle_is_judged_from_there() -> None:
    profile = [*decay(0.9, 20), *([0.0] * 5)]
    assert not list(VanishingThroughTime().check(recurrent(profile, STUCK)))


def test_steps_that_do_not_matter_are_not_a_decay() -> None:
    profile = [1e-6, 1.0] * 20
    assert not list(VanishingThroughTime().check(recurrent(profile, STUCK)))


def test_a_network_that_learns_from_the_last_steps_is_left_alone() -> None:
    losses = [1.4 * 0.95**i for i in range(60)]
    assert not list(VanishingThroughTime().check(recurrent(decay(0.5, 40), losses)))
