"""What looks like an exploding gradient, and what is one."""

from math import inf, nan

from gradmedic.diagnosis.rules.exploding_gradient import ExplodingGradient
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch

BROKE = [1.0, 50.0, 1e5, 1e12, *[nan] * 10]


def one(pull: float, pace: float, losses: list[float]) -> Recording:
    held = {"weight_rms": 0.1, "grad_rms": 0.1 * pull, "update_rms": 0.1 * pace}
    return sketch(
        [
            site(
                "fc", "linear", {"grad_norm": 1.0, "input_rms": 1.0, "value_rms": 1.0}, parameter="fc.weight", fan_in=64
            )
        ],
        [parameter("fc.weight", held, shape=(64, 64))],
        losses=losses,
        lr=0.1,
    )


def test_a_large_step_with_an_ordinary_gradient_is_the_learning_rate() -> None:
    assert not list(ExplodingGradient().check(one(pull=0.1, pace=3.0, losses=BROKE)))
    assert list(ExplodingGradient().check(one(pull=1e3, pace=3.0, losses=BROKE)))


def test_a_large_gradient_that_the_optimizer_tames_is_no_disease() -> None:
    assert not list(ExplodingGradient().check(one(pull=1e3, pace=0.01, losses=[9e4] * 60)))


def test_growth_through_time_names_the_rate() -> None:
    drawn = sketch(
        [site("rnn", "rnn", {"grad_rms": 1.0}, repeats=30)],
        losses=BROKE,
        profiles={"rnn": [2.0 ** (29 - at) for at in range(30)]},
    )
    (finding,) = ExplodingGradient().check(drawn)
    assert finding.evidence["decades_per_step"] == 0.301
    assert "non-finite" in finding.explains


def test_values_that_grow_over_depth_until_they_overflow() -> None:
    sizes = [1.0, 8.0, 3e4, inf]
    sites = [
        site(f"exp{at}", "exp", {"value_rms": size, "value_bad": float(size == inf), "input_rms": 1.0})
        for at, size in enumerate(sizes)
    ]
    first = site("fc", "linear", {"input_rms": 1.0, "value_rms": 1.0}, parameter="fc.weight")
    drawn = sketch([first, *sites], [parameter("fc.weight", {"weight_rms": 0.1}, shape=(8, 8))], losses=[nan] * 20)
    (finding,) = ExplodingGradient().check(drawn)
    assert finding.places[0].name == "exp2"


def test_a_square_in_the_loss_is_not_depth() -> None:
    sites = [
        site("fc", "linear", {"input_rms": 1.0, "value_rms": 300.0}, parameter="fc.weight"),
        site("pow", "pow", {"value_rms": 9e4}, tail=True),
    ]
    drawn = sketch(sites, [parameter("fc.weight", {"weight_rms": 0.1}, shape=(8, 8))], losses=[nan] * 20)
    assert not list(ExplodingGradient().check(drawn))


def test_growth_is_seen_where_there_are_no_matrices_and_captures_are_few() -> None:
    grads = [0.1] * 8 + [90.0, 400.0]
    steps = [0, 1, 2, 3, 4, 8, 16, 32, 300, 390]
    losses = [0.1 * 1.03**step for step in range(400)]
    (finding,) = ExplodingGradient().check(
        sketch([], [parameter("w", {"grad_norm": grads}, shape=(8,))], losses=losses, lr=0.1, steps=steps)
    )
    assert float(finding.evidence["decades_of_gradient"]) > 2
    assert 0 < finding.since_step < 100
