"""What looks like a dead layer, and what is one."""

from math import nan

from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.rules.dead_relu import DeadRelu
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch

STUCK = [2.3] * 40


def net(silent: list[float], losses: list[float], op: str = "relu", *, tail: bool = False) -> Recording:
    return sketch(
        [
            site("stem", "conv", {"input_rms": 1.0}, parameter="stem.weight", fan_in=9),
            site("act", op, {"silent": silent}, tail=tail),
            site("head", "linear", tail=True),
        ],
        [parameter("stem.weight", {"weight_rms": 0.2, "update_rms": 0.1}, shape=(8, 9))],
        losses=losses,
    )


def test_names_the_layer_whose_units_are_dead_before_the_activation() -> None:
    (finding,) = DeadRelu().check(net([1.0] * 4, STUCK))
    assert [place.name for place in finding.places] == ["stem", "act"]
    assert finding.rank == 1


def test_killed_by_a_step_tells_which() -> None:
    (finding,) = DeadRelu().check(net([0.3, 0.4, 1.0, 1.0, 1.0], STUCK))
    assert (finding.since_step, finding.rank) == (2, 2)
    assert finding.evidence["update_over_weight"] == 0.5


def test_the_debris_of_an_infinite_loss_is_not_a_death() -> None:
    assert not list(DeadRelu().check(net([0.3, 0.4, 1.0, 1.0, 1.0, 1.0], [2.3, 2.2, nan, *[nan] * 20])))


def test_one_silent_batch_is_no_disease() -> None:
    assert not list(DeadRelu().check(net([0.3, 1.0, 0.3, 1.0, 1.0], STUCK)))


def test_most_units_may_be_silent_where_it_learns() -> None:
    settled = [2.3 * 0.9**i for i in range(30)] + [0.1] * 30
    assert not list(DeadRelu().check(net([0.8] * 5, settled)))


def test_a_sigmoid_cannot_die_and_an_output_is_another_matter() -> None:
    assert not list(DeadRelu().check(net([1.0] * 5, STUCK, op="sigmoid")))
    assert not list(DeadRelu().check(net([1.0] * 5, STUCK, tail=True)))


def test_the_layer_that_died_first_comes_first() -> None:
    silent = {"a": [0.1, 0.1, 1.0, 1.0, 1.0], "b": [0.1, 1.0, 1.0, 1.0, 1.0]}
    drawn = sketch([site(name, "relu", {"silent": row}) for name, row in silent.items()], losses=STUCK)
    (finding,) = DeadRelu().check(drawn)
    assert finding.places[0].name == "b"
    assert finding.severity is Severity.CRITICAL
