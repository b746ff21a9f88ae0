"""Loss mismatch: what looks like one and is none, and how bad it is."""

import pytest

from gradmedic.diagnosis.finding import Severity
from gradmedic.diagnosis.rules.loss_mismatch import LossMismatch
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import DrawnSite, site, sketch

STUCK = [2.3] * 30
FALLING = [2.3 * 0.9**step for step in range(60)]


def tail(*ops: str, shape: tuple[int, ...] = (32, 10), losses: list[float] = STUCK) -> Recording:
    ends = [site(op, op, tail=True, shape=shape) for op in ops]
    return sketch([site("fc", "linear", shape=shape), *ends], losses=losses)


def found(recording: Recording) -> bool:
    return bool(list(LossMismatch().check(recording)))


@pytest.mark.parametrize(
    "ops",
    [
        ("softmax", "log_softmax", "nll_loss"),
        ("sigmoid", "log_softmax", "nll_loss"),
        ("relu", "log_softmax", "nll_loss"),
        ("tanh", "log_softmax", "nll_loss"),
        ("softmax", "logsumexp"),
        ("sigmoid", "binary_cross_entropy_with_logits"),
        ("softplus", "binary_cross_entropy_with_logits"),
        ("log_softmax", "binary_cross_entropy_with_logits"),
        ("softmax", "nll_loss"),
        ("softmax", "kl_div"),
        ("relu", "binary_cross_entropy"),
        ("tanh", "clamp", "binary_cross_entropy"),
    ],
)
def test_finds_what_does_not_fit(ops: tuple[str, ...]) -> None:
    assert found(tail(*ops))


@pytest.mark.parametrize(
    "ops",
    [
        ("log_softmax", "nll_loss"),
        ("log_softmax", "log_softmax", "nll_loss"),
        ("softmax", "log", "nll_loss"),
        ("softplus", "log_softmax", "nll_loss"),
        ("gelu", "log_softmax", "nll_loss"),
        ("sigmoid", "mul", "log_softmax", "nll_loss"),
        ("sigmoid", "binary_cross_entropy"),
        ("sigmoid", "clamp", "binary_cross_entropy"),
        ("softmax", "binary_cross_entropy"),
        ("softmax", "bmm", "log_softmax"),
        ("tanh", "div", "log_softmax", "nll_loss"),
        ("binary_cross_entropy_with_logits",),
    ],
)
def test_leaves_alone_what_fits(ops: tuple[str, ...]) -> None:
    assert not found(tail(*ops))


def test_a_softmax_inside_of_the_network_is_attention() -> None:
    sites = [site("fc", "linear"), site("attention", "softmax"), site("loss", "log_softmax", tail=True)]
    assert not found(sketch(sites, losses=STUCK))


def test_a_loss_against_another_network_is_fed_by_both() -> None:
    sites = [
        site("student", "linear"),
        site("teacher", "linear", after=[]),
        site("p", "sigmoid", tail=True),
        site("loss", "binary_cross_entropy_with_logits", after=["student", "p"], tail=True),
    ]
    assert not found(sketch(sites, losses=STUCK))


def test_two_classes_within_reach_are_enough() -> None:
    rule = LossMismatch(floor=0.3)
    assert not list(rule.check(tail("tanh", "log_softmax", shape=(32, 2))))


def test_says_where_the_loss_has_to_stop() -> None:
    (finding,) = LossMismatch().check(tail("softmax", "log_softmax"))
    assert finding.evidence["best_loss"] == pytest.approx(1.4612, abs=1e-4)
    assert finding.places[0].name == "softmax"


def test_warns_only_where_it_learns_all_the_same() -> None:
    (stuck,), (learns,) = (
        LossMismatch().check(tail("softmax", "log_softmax", losses=losses)) for losses in (STUCK, FALLING)
    )
    assert (stuck.severity, learns.severity) == (Severity.CRITICAL, Severity.WARNING)


def regression(last: str, low: float, high: float, loss: str = "mse_loss") -> Recording:
    ends = [site("out", last, tail=True), site("loss", loss, {"target_min": [low] * 3, "target_max": high}, tail=True)]
    return sketch([site("fc", "linear"), *ends])


@pytest.mark.parametrize(
    ("last", "low", "high"), [("sigmoid", -1, 1), ("tanh", 0, 16), ("relu", -3, 3), ("softmax", 0, 9)]
)
def test_finds_targets_that_are_out_of_reach(last: str, low: float, high: float) -> None:
    assert found(regression(last, low, high))


@pytest.mark.parametrize(
    ("last", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, 300), ("linear", -9, 9)]
)
def test_leaves_targets_within_reach_alone(last: str, low: float, high: float) -> None:
    assert not found(regression(last, low, high))


def by_hand(error: float, last: str = "sigmoid") -> list[DrawnSite]:
    return [
        site("fc", "linear"),
        site("out", last, tail=True),
        site("error", "sub", tail=True),
        site("square", "pow", {"input_min": -error, "input_max": 0.2}, tail=True),
    ]


def test_reads_a_loss_that_is_written_by_hand() -> None:
    assert found(sketch(by_hand(5.0), losses=STUCK))
    assert not found(sketch(by_hand(0.9), losses=STUCK))
    assert not found(sketch(by_hand(5.0, "linear"), losses=STUCK))


def test_log_probabilities_may_not_be_positive() -> None:
    sites = [
        site("fc", "linear"),
        site("sub", "sub", tail=True),
        site("nll", "nll_loss", {"input_max": 3.0}, tail=True),
    ]
    assert found(sketch(sites, losses=STUCK))
    fine = [*sites[:2], site("nll", "nll_loss", {"input_max": 0.0}, tail=True)]
    assert not found(sketch(fine, losses=STUCK))


def test_finds_outputs_that_are_compared_with_all_targets() -> None:
    sites = [
        site("out", "linear", tail=True, shape=(32, 1)),
        site("sub", "sub", tail=True, shape=(32, 32)),
        site("pow", "pow", tail=True, shape=(32, 32)),
    ]
    found = list(LossMismatch().check(sketch(sites, losses=[1.0] * 40)))
    assert [finding.places[0].name for finding in found] == ["out"]


def test_leaves_a_matrix_of_distances_alone() -> None:
    sites = [
        site("out", "linear", tail=True, shape=(32, 8)),
        site("sub", "sub", tail=True, shape=(32, 32, 8)),
        site("pow", "pow", tail=True, shape=(32, 32, 8)),
    ]
    assert not list(LossMismatch().check(sketch(sites, losses=[1.0] * 40)))


@pytest.mark.parametrize(
    ("least", "most", "sick"), [(1.0, 2.0, True), (-1.0, 1.0, True), (0.0, 1.0, False), (0.1, 0.9, False)]
)
def test_a_binary_loss_wants_targets_between_0_and_1(least: float, most: float, sick: bool) -> None:
    loss = site("bce", "binary_cross_entropy_with_logits", {"target_min": least, "target_max": most}, tail=True)
    assert found(sketch([site("fc", "linear"), loss], losses=FALLING)) is sick
