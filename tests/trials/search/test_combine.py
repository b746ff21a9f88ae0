"""Which remedies are tried together: the best first, and never two ways to do the same."""

from support.arms import prescribed

from gradmedic.trials.search.candidates import Candidate
from gradmedic.trials.search.combine import alike, in_twos, with_one_more

NAMES = ("init-he", "clip-norm", "init-xavier", "clip-value", "swap-activation", "warm-up")
PARTNERS = [Candidate(prescribed(name), order=order) for order, name in enumerate(NAMES)]


def test_the_best_come_first_and_each_pair_once() -> None:
    pairs = [one.remedies for one in in_twos(PARTNERS)]
    assert pairs[0] == {"init-he", "clip-norm"}
    assert len(pairs) == len(set(pairs))
    assert all(pair & {"init-he", "clip-norm", "swap-activation"} for pair in pairs)
    assert {"swap-activation", "init-xavier"} in pairs


def test_two_ways_to_do_the_same_are_not_joined() -> None:
    assert not [pair for pair in in_twos(PARTNERS) if {"init-he", "init-xavier"} <= pair.remedies]
    assert alike(PARTNERS[1], PARTNERS[3])
    best = PARTNERS[0].joined(PARTNERS[1])
    assert [one.remedies - best.remedies for one in with_one_more(best, PARTNERS)] == [{"swap-activation"}, {"warm-up"}]


def test_what_the_diagnosis_thinks_of_first_is_tried_early_though_it_does_nothing_alone() -> None:
    names = ("clip-value", "init-orthogonal", "warm-up", "skip-batches", "weight-decay", "change-optimizer")
    orders = (3, 4, 5, 6, 7, 0)
    partners = [Candidate(prescribed(name), order=order) for name, order in zip(names, orders, strict=True)]
    early = [pair.remedies for pair in in_twos(partners)[:4]]
    assert {"init-orthogonal", "change-optimizer"} in early
    best = partners[0].joined(partners[1])
    assert with_one_more(best, partners)[0].remedies - best.remedies == {"change-optimizer"}
