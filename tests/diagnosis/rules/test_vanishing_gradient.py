"""What looks like a gradient that vanishes over depth, and what is one."""

from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import Columns, ledger, parameter, site, sketch

STUCK = [2.3] * 60
LEARNS = [2.3 * 0.95**i for i in range(60)]


def chain(sizes: list[float], losses: list[float], *, update: float | None = None, **extra: float) -> Recording:
    """Linear layers to whose outputs gradients of these norms arrive, the input's end first."""
    sites, parameters = [], []
    for at, size in enumerate(sizes):
        sites.append(site(f"fc{at}", "linear", {"grad_norm": [size] * 3}, parameter=f"fc{at}.weight", fan_in=64))
        moved = size * 0.1 if update is None else update
        held: Columns = {"grad_rms": [size / 10] * 3, "weight_rms": 0.1, "update_rms": moved, **extra}
        parameters.append(parameter(f"fc{at}.weight", held, shape=(64, 64)))
    return sketch(sites, parameters, losses=losses)


def found(recording: Recording) -> list[Finding]:
    return list(VanishingGradient().check(recording))


def test_names_the_starved_layers_and_the_rate() -> None:
    (finding,) = found(chain([0.1 * 0.2 ** (8 - at) for at in range(9)], STUCK))
    assert finding.severity is Severity.CRITICAL
    assert [place.name for place in finding.places] == ["fc0", "fc1", "fc2"]
    assert finding.evidence["decades_per_layer"] == -0.699


def test_a_single_drop_is_not_depth() -> None:
    assert not found(chain([1e-7] * 4 + [0.1] * 5, STUCK))


def test_zeros_without_a_decline_are_a_cut_not_a_slope() -> None:
    assert not found(chain([0.0] * 4 + [0.1] * 5, STUCK))


def test_zeros_at_the_end_of_a_decline_were_flushed() -> None:
    assert found(chain([0.0, 0.0, 1e-40, 1e-30, 1e-22, 1e-15, 1e-8, 0.1], STUCK))


def test_a_network_that_learns_gets_a_note_at_most() -> None:
    findings = found(chain([0.1 * 0.2 ** (8 - at) for at in range(9)], LEARNS))
    assert [finding.severity for finding in findings] == [Severity.NOTE]


def test_two_decades_count_only_where_the_first_layers_stand_still() -> None:
    sizes = [0.1 * 0.4 ** (8 - at) for at in range(9)]
    assert found(chain(sizes, STUCK))
    assert not found(chain(sizes, STUCK, update=1e-4))  # Adam moves them all alike: something else is wrong


def test_rows_that_no_sample_reached_do_not_make_a_gradient_small() -> None:
    sizes = [1e-3] * 3 + [0.1] * 6
    assert not found(chain(sizes, STUCK, grad_zero=0.99))


def test_one_small_branch_is_not_the_network() -> None:
    assert not found(chain([0.1, 1e-6, 0.1, 0.1, 1e-6, 0.1, 0.1, 0.1, 0.1], STUCK))


def test_blames_whoever_lost_the_decades() -> None:
    drawn = chain([0.1 * 0.1 ** (8 - at) for at in range(9)], STUCK)
    booked = ledger("fc0.weight", ("fc8", "linear", -6.0), ("act", "sigmoid", -2.0))
    captures = [type(capture)(**{**vars(capture), "ledgers": (booked,)}) for capture in drawn.captures]
    (finding,) = found(Recording(**{**vars(drawn), "captures": captures}))
    assert finding.next[0].code.startswith("nn.init.kaiming_normal_")
    assert "weights by -6.0" in str(finding.why)


def test_of_parallel_branches_the_one_that_gets_more_is_the_way() -> None:
    gated = [
        size * share for at in range(9) for size, share in ((0.1 * 0.2 ** (8 - at), 1e-3), (0.1 * 0.2 ** (8 - at), 1))
    ]
    assert found(chain(gated, STUCK))


def contest(grads: list[float], scores: list[float]) -> Recording:
    """A generator (stream 1) and its judge (stream 0), step by step in turn; the judge's sigmoid is flat in the end."""
    sure = [0.0] * 4 + [1.0] * 8
    judged = [site("judge", "sigmoid", {"saturated": sure}, stream=stream, tail=True) for stream in (0, 1)]
    held: Columns = {"grad_norm": grads, "grad_rms": grads, "weight_rms": 0.1, "update_rms": 1e-4}
    return sketch(judged, [parameter("gen.weight", held, shape=(9, 9))], losses={0: [0.7] * 12, 1: scores})


def test_a_generator_is_starved_by_a_judge_that_is_too_sure() -> None:
    rises = [-0.7 + 0.06 * step for step in range(12)]
    (finding,) = found(contest([0.1] * 4 + [1e-5] * 8, rises))
    assert (finding.places[0].name, finding.since_step) == ("judge", 4)


def test_a_contest_in_which_gradients_stay_or_the_loss_falls_is_no_disease() -> None:
    rises, falls = [-0.7 + 0.06 * step for step in range(12)], [0.7 - 0.05 * step for step in range(12)]
    assert not found(contest([0.1] * 12, rises))
    assert not found(contest([0.1] * 4 + [1e-5] * 8, falls))


def test_a_generator_is_starved_by_a_judge_on_logits_whose_loss_went_to_nothing() -> None:
    def played(judge: list[float], grads: list[float]) -> Recording:
        weights = parameter("g.weight", {"grad_rms": grads, "weight_rms": 0.1, "update_rms": 1e-4}, shape=(8, 8))
        worse = [-0.7 + 0.05 * at for at in range(12)]
        return sketch([site("fc", "linear", stream=1)], [weights], losses={0: judge, 1: worse})

    fading, steady = [0.1] * 4 + [1e-5] * 8, [0.1] * 12
    won, even = [1.4 * 0.5**at for at in range(12)], [1.4, 1.3] * 6
    (finding,) = found(played(won, fading))
    assert "get 1e+04 times less" in str(finding.message)
    assert not found(played(even, fading))
    assert not found(played(won, steady))
