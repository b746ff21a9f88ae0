"""What counts as the end of a run's ordinary life."""

from gradmedic.diagnosis.training_state import before_the_end
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.sketch import site, sketch

FOUND = Event("non-finite", 2, {"phase": "backward", "op": "linear"})


def drawn(*skipped: int) -> Recording:
    """Ten captures; an infinite gradient at step 2, and the steps that a scaler has left out."""
    recording = sketch([site("act", "relu", {"dead": [0.1] * 10})], losses=[2.0] * 10, events=[FOUND])
    vitals = [vital._replace(scale=1024.0, skipped=vital.step in skipped) for vital in recording.vitals]
    return Recording(recording.sites, {}, recording.streams, {}, vitals, recording.captures, recording.events)


def test_what_follows_a_value_that_is_not_finite_is_debris() -> None:
    assert [capture.step for capture in before_the_end(drawn(), 0)] == [0, 1]


def test_a_step_that_a_scaler_left_out_ends_nothing() -> None:
    assert [capture.step for capture in before_the_end(drawn(2), 0)] == list(range(10))
