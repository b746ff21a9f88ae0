"""What looks like a bad start, and what is one."""

from dataclasses import replace
from math import nan

import pytest

from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.rules.poor_initialization import PoorInitialization
from gradmedic.recording.records import Recording, Vital
from gradmedic.recording.sketch import Columns, DrawnSite, parameter, site, sketch

STUCK = [2.3] * 40


def held(name: str, numbers: Columns) -> Recording:
    return sketch(
        [site("fc", "linear", parameter=name, fan_in=64)], [parameter(name, numbers, shape=(64, 64))], losses=STUCK
    )


def heavy(extra: DrawnSite, losses: list[float]) -> Recording:
    """Three N(0, 1) layers of 64 inputs, with one more operation between them."""
    sites, parameters = [], []
    for at in range(3):
        numbers: Columns = {"input_rms": 8.0**at, "value_rms": 8.0 ** (at + 1)}
        sites += [site(f"fc{at}", "linear", numbers, parameter=f"fc{at}.weight", fan_in=64), extra]
        parameters.append(parameter(f"fc{at}.weight", {"weight_rms": 1.0, "grad_rms": 0.1}, shape=(64, 64)))
    return sketch(sites, parameters, losses=losses)


def test_zero_with_a_gradient_is_zero_on_purpose() -> None:
    assert not list(
        PoorInitialization().check(held("fc.weight", {"weight_rms": [0.0] * 4, "grad_rms": [0.0, 0.1, 0.1, 0.1]}))
    )
    assert list(PoorInitialization().check(held("fc.weight", {"weight_rms": [0.0] * 4, "grad_rms": [0.0] * 4})))


def test_copies_that_part_are_no_copies() -> None:
    numbers = {"weight_rms": 0.1, "grad_rms": 0.1, "update_rms": 0.01}
    assert not list(PoorInitialization().check(held("fc.weight", {**numbers, "twins": [1.0, 0.0, 0.0]})))
    assert list(PoorInitialization().check(held("fc.weight", {**numbers, "twins": [1.0, 0.9, 0.9]})))


def test_copies_that_nobody_trains_are_nobodys_fault() -> None:
    assert not list(
        PoorInitialization().check(held("fc.weight", {"weight_rms": 0.1, "update_rms": 0.0, "twins": [1.0] * 4}))
    )


def test_heavy_weights_are_named_where_values_grow_and_stay_finite() -> None:
    losses = [900.0] + [40.0] * 60
    assert list(PoorInitialization().check(heavy(site("act", "relu"), losses)))
    assert not list(PoorInitialization().check(heavy(site("act", "relu"), [900.0, *[nan] * 60])))  # exploding-gradient


def test_heavy_weights_under_a_bounded_activation_are_saturation() -> None:
    assert not list(PoorInitialization().check(heavy(site("act", "tanh"), STUCK)))


def test_normalization_makes_the_size_of_weights_harmless() -> None:
    assert not list(PoorInitialization().check(heavy(site("norm", "batch_norm"), STUCK)))


def test_a_single_look_is_believed_only_where_training_fails() -> None:
    numbers: Columns = {"weight_rms": [0.0], "grad_rms": [0.0]}
    assert list(PoorInitialization().check(held("fc.weight", numbers)))
    learns = replace(held("fc.weight", numbers), vitals=[Vital(at, 0, float(at), 2.3 * 0.95**at) for at in range(60)])
    assert not list(PoorInitialization().check(learns))


def test_gains_of_a_norm_that_stay_zero_cut_the_network() -> None:
    numbers: Columns = {"weight_rms": [0.0] * 4, "grad_rms": [0.0] * 4}
    gain = parameter("bn.weight", numbers, shape=(64,), module_type="BatchNorm2d")
    assert list(PoorInitialization().check(sketch([], [gain], losses=STUCK)))
    moving = parameter("bn.weight", {**numbers, "grad_rms": [0.1] * 4}, shape=(64,), module_type="BatchNorm2d")
    assert not list(PoorInitialization().check(sketch([], [moving], losses=STUCK)))


def classifier(losses: list[float], size: float = 1.0) -> Recording:
    ends = [site("log", "log_softmax", tail=True, shape=(32, 10)), site("nll", "nll_loss", tail=True)]
    head = parameter("head.weight", {"weight_rms": size, "grad_rms": 0.1}, shape=(10, 64))
    return sketch([site("head", "linear", parameter="head.weight", fan_in=64), *ends], [head], losses=losses)


def test_a_long_way_back_to_the_loss_of_a_guess_is_told_although_it_learns() -> None:
    (finding,) = PoorInitialization().check(classifier([100.0 * 0.93**step for step in range(60)]))
    assert finding.places[0].name == "head"
    assert float(finding.evidence["share_of_run"]) > 0.6


def test_an_output_layer_of_ordinary_weights_is_not_to_blame() -> None:
    assert not list(PoorInitialization().check(classifier([100.0 * 0.93**step for step in range(60)], size=0.1)))


@pytest.mark.parametrize(
    "losses", [[100.0 * 0.5**step for step in range(60)], [8.0 * 0.97**step for step in range(60)]]
)
def test_a_short_way_back_is_noted(losses: list[float]) -> None:
    (finding,) = PoorInitialization().check(classifier(losses))
    assert finding.severity is Severity.NOTE


def test_a_first_loss_near_that_of_a_guess_is_nothing() -> None:
    assert not list(PoorInitialization().check(classifier([4.0 * 0.97**step for step in range(60)])))
