"""What looks like a saturated layer, and why it is saturated."""

from gradmedic.diagnosis.rules.saturated_activation import SaturatedActivation
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import parameter, site, sketch

STUCK = [2.3] * 40


def net(inputs: float, weight: float, saturated: list[float], op: str = "tanh") -> Recording:
    return sketch(
        [
            site("fc", "linear", {"input_rms": inputs}, parameter="fc.weight", fan_in=64),
            site("act", op, {"saturated": saturated}),
            site("head", "linear", tail=True),
        ],
        [parameter("fc.weight", {"weight_rms": weight}, shape=(64, 64))],
        losses=STUCK,
    )


def first_cure(recording: Recording) -> str:
    (finding,) = SaturatedActivation().check(recording)
    return finding.next[0].code


def test_tells_unscaled_inputs_from_heavy_weights() -> None:
    assert first_cure(net(90.0, 0.1, [0.95] * 4)).startswith("x = (x - x.mean())")
    assert first_cure(net(1.0, 1.0, [0.95] * 4)).startswith("nn.init.xavier")


def test_attention_scores_ask_for_their_scale() -> None:
    assert "math.sqrt" in first_cure(net(1.0, 1.2, [1.0] * 4, op="softmax"))


def test_saturated_later_is_a_consequence_not_the_start() -> None:
    (finding,) = SaturatedActivation().check(net(1.0, 0.1, [0.0, 0.2, 0.9, 0.9, 0.9, 0.9]))
    assert (finding.rank, finding.since_step) == (2, 2)


def test_a_relu_is_flat_by_design() -> None:
    assert not list(SaturatedActivation().check(net(1.0, 0.1, [0.9] * 4, op="relu")))
