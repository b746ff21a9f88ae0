"""Disconnected parameters: by fault, on purpose, or nobody's business."""

from math import inf
from typing import Any

from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules.disconnected_parameters import DisconnectedParameters
from gradmedic.recording.records import Event, Optimizer
from gradmedic.recording.sketch import DrawnParameter, parameter, sketch

FALLING = [2.3 * 0.95**step for step in range(60)]
STUCK = [2.3] * 60


def drawn(name: str, size: int = 64, *, grad: bool = True, **facts: Any) -> DrawnParameter:
    column = [float(grad)] * 3
    return parameter(name, {"grad": column}, **{"shape": (size, size), "module_type": "Linear", **facts})


def judged(*parameters: DrawnParameter, losses: list[float] = STUCK) -> list[Finding]:
    held = [Optimizer(0, "Adam"), Optimizer(1, "Adam")]
    return list(DisconnectedParameters().check(sketch([], parameters, losses=losses, optimizers=held)))


def test_a_cut_is_named_where_it_begins() -> None:
    (finding,) = judged(
        drawn("encoder.emb.weight", grad=False),
        drawn("encoder.gru.weight_ih_l0", grad=False),
        drawn("encoder.gru.bias_ih_l0", grad=False),
        drawn("head.weight"),
    )
    assert [place.name for place in finding.places] == ["encoder.emb", "encoder.gru"]
    assert finding.severity is Severity.CRITICAL
    assert "encoder.emb, encoder.gru" in str(finding.message)


def test_an_output_that_the_loss_does_not_use_is_a_note() -> None:
    (finding,) = judged(drawn("body.weight", 100), drawn("pooler.weight", 60, grad=False), losses=FALLING)
    assert finding.severity is Severity.NOTE


def test_one_spare_parameter_is_a_note() -> None:
    (finding,) = judged(drawn("spare", 4, grad=False), drawn("body.weight"), losses=FALLING)
    assert finding.severity is Severity.NOTE


def test_a_layer_that_was_never_called_is_a_note() -> None:
    (finding,) = judged(drawn("old_head.weight", 32, grad=False, called=False), drawn("body.weight"))
    assert finding.severity is Severity.NOTE


def test_a_whole_backbone_under_no_grad_is_more_than_a_note() -> None:
    idle = drawn("backbone.weight", grad=False, called=False)
    (finding,) = judged(idle, drawn("head.weight", 8), losses=FALLING)
    assert finding.severity is Severity.WARNING
    assert judged(idle, drawn("head.weight", 8))[0].severity is Severity.CRITICAL


def test_the_first_round_of_two_optimizers_says_nothing() -> None:
    early = sketch([], [drawn("D.weight"), drawn("G.weight", optimizer=None)], losses=[0.7, 0.7])
    assert not list(DisconnectedParameters().check(early))


def test_layers_in_a_plain_list_are_a_warning_even_where_it_learns() -> None:
    (finding,) = judged(
        drawn("layers[0].weight", 8, optimizer=None, registered=False), drawn("out.weight"), losses=FALLING
    )
    assert finding.severity is Severity.WARNING
    assert "ModuleList" in finding.next[0].code


def test_an_optimizer_of_the_old_layer_is_told_from_a_forgotten_model() -> None:
    (finding,) = judged(
        drawn("body.weight"), drawn("fc.weight", optimizer=None), drawn("tensor[64, 64]", grad=False, called=False)
    )
    assert "old tensors" in str(finding.message)
    (finding,) = judged(drawn("decoder.weight"), drawn("encoder.weight", optimizer=None))
    assert "thrown away" in str(finding.message)


def test_an_image_that_is_optimized_through_a_network_is_no_fault() -> None:
    (finding,) = judged(drawn("image", module_type=""), drawn("vgg.0.weight", optimizer=None))
    assert finding.severity is Severity.NOTE


def test_a_target_network_and_frozen_layers_are_silent() -> None:
    target = drawn("target.weight", grad=False, optimizer=None)
    frozen = drawn("backbone.weight", grad=False, requires_grad=False)
    assert not judged(target, frozen, drawn("online.weight"))


def test_a_moving_average_in_the_same_optimizer_is_silent() -> None:
    average = parameter(
        "target.weight", {"grad": 0.0, "weight_rms": [0.1, 0.11, 0.12], "update_rms": 0.0}, shape=(64, 64)
    )
    assert not judged(average, drawn("online.weight"))


def test_two_optimizers_share_the_work() -> None:
    assert not judged(drawn("G.weight", optimizer=0), drawn("D.weight", optimizer=1))


def test_a_gradient_that_is_zeroed_too_late_is_found() -> None:
    (finding,) = judged(parameter("fc.weight", {"grad_rms": [0.1] * 3, "grad": 0.0, "update_rms": 0.0}, shape=(9, 9)))
    assert "before the optimizer uses it" in str(finding.message)


def test_a_learning_rate_of_zero_is_not_that() -> None:
    assert not judged(parameter("fc.weight", {"grad_rms": [0.1] * 3, "clipped_rms": 0.1, "update_rms": 0.0}))


def test_an_input_that_asks_for_its_gradient_is_no_forgotten_parameter() -> None:
    asked = drawn("t", optimizer=None, module_type="")
    assert not judged(drawn("net.0.weight", size=4), asked)


def test_a_raw_tensor_beside_other_raw_tensors_is_forgotten() -> None:
    assert judged(drawn("w1", module_type=""), drawn("w2", optimizer=None, module_type=""))


def emptied(**drawing: Any) -> list[Finding]:
    """What is said of gradients that arrive, and are zero when the optimizer comes for them."""
    numbers: dict[str, float | list[float]] = {"grad_rms": [1e27] * 6, "clipped_rms": 0.0, "update_rms": 0.0}
    recording = sketch([], [parameter("fc.weight", numbers, shape=(9, 9))], **drawing)
    return list(DisconnectedParameters().check(recording))


def test_a_gradient_that_is_gone_at_the_step_was_zeroed_before_it() -> None:
    (finding,) = emptied(losses=STUCK)
    assert "zeroed before the optimizer uses it" in str(finding.message)


def test_what_clipping_by_an_infinite_norm_makes_zero_was_not_zeroed_by_the_script() -> None:
    assert emptied(losses=STUCK, grad_norms=[inf] * 60) == []
    assert len(emptied(losses=STUCK, grad_norms=[inf] + [1e28] * 59)) == 1


def test_nothing_is_said_of_gradients_behind_the_first_value_that_is_not_finite() -> None:
    assert emptied(losses=[inf] * 60) == []
    assert emptied(losses=STUCK, events=[Event("non-finite", 0, {"phase": "backward"})]) == []
    assert len(emptied(losses=STUCK, events=[Event("non-finite", 3, {"phase": "backward"})])) == 1
