"""Checkups: a few looks at a run, in plain values that come back from disk as they were."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import ledger, site, sketch
from gradmedic.trials.run_summary import MOST, Checkup


def deep(captures: int = 9) -> Recording:
    """Two layers; the share of dead units grows from capture to capture."""
    dead = [at / 100 for at in range(captures)]
    return sketch(
        [
            site("fc1", "linear", {"grad_rms": [1e-3] * captures}),
            site("act1", "relu", {"dead": dead}),
            site("act2", "relu", {"dead": 0.5, "saturated": 0.2}),
            site("fc2", "linear", {"grad_rms": 1e-1}),
            site("out", "sigmoid", {"saturated": 0.9}, tail=True),
        ],
        losses=[1.0] * 60,
        steps=[7 * at for at in range(captures)],
        ledgers=[ledger("fc1", ("fc2", "linear", -0.5), ("act1", "relu", -1.5), ("act1", "relu", -0.5))],
    )


def test_the_first_and_the_last_look_are_among_the_few_that_are_kept() -> None:
    found = Checkup.of(deep(9))
    assert len(found.looks) == MOST
    assert (found.looks[0].step, found.looks[-1].step) == (0, 56)


@given(st.integers(1, 30))
def test_no_more_looks_than_captures_and_never_too_many(captures: int) -> None:
    steps = [look.step for look in Checkup.of(deep(captures)).looks]
    assert steps == sorted(set(steps))
    assert len(steps) == min(captures, MOST)


def test_a_look_tells_sizes_by_depth_the_ledger_and_the_hidden_activations() -> None:
    look = Checkup.of(deep()).looks[-1]
    assert look.depth == (("fc1", 1e-3), ("fc2", 1e-1))
    assert look.ledger == (("fc2", -0.5), ("act1", -2.0))
    assert look.kinds == {"activation": -2.0, "weights": -0.5}
    assert look.dead == (0.08 + 0.5) / 2
    assert look.saturated == 0.2  # the output may saturate


def test_the_pace_is_that_of_an_undisturbed_step() -> None:
    found = Checkup.of(deep())
    assert found.pace == 1.0  # a sketch takes a second per step
    assert found.activations == {"relu": 2}


def test_nothing_seen_is_nothing_told() -> None:
    assert Checkup.of(Recording()) == Checkup()


def test_comes_back_from_disk_as_it_was() -> None:
    found = Checkup.of(deep())
    assert Checkup.from_row(json.loads(json.dumps(found.row()))) == found
