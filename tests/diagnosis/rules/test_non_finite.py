"""Non-finite values: whose fault they are, and when they are nobody's."""

from math import inf, nan
from typing import Any

import pytest

from gradmedic.diagnosis.features.divergence import grew_before
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules.non_finite import NonFinite
from gradmedic.recording.records import Event, Recording, Vital
from gradmedic.recording.sketch import ledger, parameter, site, sketch

CALM = [2.3, 2.2, 2.1, 2.0, 1.9, 1.8]


def born(step: int = 6, **data: Any) -> Event:
    return Event("non-finite", step, {"phase": "forward", "op": "log", "name": "log", **data})


def judged(recording: Recording) -> Finding:
    (finding,) = NonFinite().check(recording)
    return finding


@pytest.mark.parametrize(("later", "severity"), [(None, Severity.CRITICAL), (0.1, Severity.NOTE)])
def test_weights_that_are_not_finite_any_more_are_lost_though_no_loss_tells(
    later: float | None, severity: Severity
) -> None:
    weights = [0.1, 0.1, 0.1, later]
    drawn_weight = parameter("fc.weight", {"grad_bad": [0.0, 0.0, 1.0, 1.0], "weight_rms": weights})
    drawn = sketch([], [drawn_weight], losses=[2.3] * 4, events=[born(2)])
    assert judged(drawn).severity is severity


def test_an_operation_that_strikes_out_of_the_blue_is_the_cause() -> None:
    finding = judged(sketch(losses=[*CALM, nan], events=[born(operand_min=0.0)]))
    assert finding.rank == 0
    assert "the log of 0" in str(finding.message)


def test_a_diverging_loss_makes_it_a_consequence() -> None:
    finding = judged(sketch(losses=[0.69, 12.0, 2e3, 1e7, nan], events=[born(4, op="linear")]))
    assert finding.rank == 2
    assert "loss_decades" in finding.evidence
    assert not finding.explains


def test_a_diverging_gradient_makes_it_a_consequence() -> None:
    norms = [1.0, 1.1, 0.9, 1.0, 5e3, 1e7, 1e9]
    assert judged(sketch(losses=[*CALM, nan], grad_norms=norms, events=[born()])).rank == 2


def test_one_large_gradient_near_a_pole_does_not() -> None:
    norms = [1.0, 1.1, 0.9, 1.0, 0.9, 1.0, 8e3]
    assert judged(sketch(losses=[*CALM, nan], grad_norms=norms, events=[born()])).rank == 0


def test_values_that_climb_over_depth_make_it_a_consequence() -> None:
    sites = [site(f"fc{at}", "linear", {"value_rms": 10.0 ** (3 * at)}) for at in range(4)]
    assert judged(sketch(sites, losses=[nan], events=[born(0, op="exp")])).rank == 2


def test_a_gradient_that_climbs_on_its_way_back_makes_it_a_consequence() -> None:
    chain = ledger("fc0.weight", *[(f"fc{at}", "linear", 2.0) for at in range(5)])
    drawn = sketch([site("fc0", "linear", {"grad_norm": 1.0})], losses=[2.3, nan], ledgers=[chain], events=[born(1)])
    assert judged(drawn).rank == 2


def test_a_step_larger_than_the_weights_makes_it_a_consequence() -> None:
    numbers = {"weight_rms": 0.1, "update_rms": 40.0}
    drawn = sketch([], [parameter("fc.weight", numbers, shape=(64, 64))], losses=[2.3, nan], events=[born(1)])
    assert judged(drawn).rank == 2


def test_weights_that_start_at_zero_do_not() -> None:
    numbers = {"weight_rms": 1e-9, "update_rms": 1e-3}
    drawn = sketch([], [parameter("fc.weight", numbers, shape=(64, 64))], losses=[2.3, nan], events=[born(1)])
    assert judged(drawn).rank == 0


def test_a_mask_of_any_size_is_no_explosion() -> None:
    assert grew_before(sketch(events=[born(0, op="softmax", operand_min=-1e30)]), 0).operand == 0


def test_bad_data_are_the_cause_whatever_grew() -> None:
    finding = judged(sketch(losses=[1.0, 1e3, 1e6, nan], events=[born(3, op="linear", phase="input")]))
    assert finding.rank == 0
    assert "input batch" in str(finding.message)


def test_names_the_operation_that_underflowed_before() -> None:
    sites = [
        site("fc", "linear"),
        site("p", "softmax", tail=True),
        site("p.log", "log", tail=True, file="a/t.py", line=9),
    ]
    finding = judged(sketch(sites, losses=[*CALM, nan], events=[born(site=2, operand_min=0.0)]))
    assert "softmax underflowed" in str(finding.why)
    assert "log_softmax" in finding.next[0].code
    assert finding.places[0].at == "a/t.py:9"
    assert "t.py:9" in str(finding.message)


@pytest.mark.parametrize(
    ("op", "data", "made"),
    [
        ("log", {"operand_min": -0.3}, "the log of -0.3"),
        ("sqrt", {"operand_min": 0.0, "phase": "backward"}, "the slope of sqrt at 0"),
        ("sqrt", {"operand_min": -1e-8}, "the sqrt of -1e-08"),
        ("div", {"operand_min": 0.0}, "a division by 0"),
        ("exp", {"operand_max": 91.0}, "exp of 91"),
        ("acos", {"operand_max": 1.0000001}, "outside of -1 to 1"),
        ("softmax", {"operand_min": -inf}, "a row without a finite entry"),
        ("mean", {"operand_max": 6e4, "dtype": "float16"}, "65504"),
        ("sqrt", {"dtype": "float16"}, "65504"),
        ("pow", {"operand_min": -4e20, "operand_max": 3e20}, "3.4e+38"),
        ("pow", {"operand_min": -0.5, "operand_max": 3.0}, "the pow of -0.5"),
        ("linear", {"operand_max": 3e38}, "3.4e+38"),
        ("nll_loss", {"operand_min": -2.0, "operand_max": 0.0}, "nll_loss over nothing"),
    ],
)
def test_says_what_the_operation_did(op: str, data: dict[str, Any], made: str) -> None:
    assert made in str(judged(sketch(losses=[*CALM, nan], events=[born(op=op, **data)])).message)


def test_a_scaler_that_looks_for_its_scale_is_healthy() -> None:
    vitals = [Vital(step, 0, float(step), 2.3, scale=2.0 ** (16 - step), skipped=step < 3) for step in range(20)]
    assert not list(NonFinite().check(Recording(vitals=vitals, events=[born(0, phase="backward")])))


def test_one_bad_batch_that_the_loop_left_out_is_a_note() -> None:
    losses = [*CALM * 50, nan, *CALM * 50]
    assert judged(sketch(losses=losses, events=[born(300)])).severity is Severity.NOTE


def test_bad_batches_every_now_and_then_are_a_warning() -> None:
    losses = [*CALM, nan] * 30 + CALM
    assert judged(sketch(losses=losses, events=[born(6)])).severity is Severity.WARNING


def test_a_loss_that_stays_infinite_is_critical_although_the_weights_are_fine() -> None:
    finding = judged(sketch(losses=[250.0, inf, 249.0, inf, inf], events=[born(1, op="mean", dtype="float16")]))
    assert finding.severity is Severity.CRITICAL


def test_of_weights_behind_an_unread_pass_the_operations_are_named_that_can_have_done_it() -> None:
    sites = [
        site("fc", "linear"),
        site("root", "sqrt", tail=True, file="a/t.py", line=8),
        site("angle", "acos", tail=True, file="a/t.py", line=9),
    ]
    born_later = born(op="accumulate_grad", phase="parameter", parameter="fc.weight", reason="parameter")
    finding = judged(sketch(sites, losses=[*CALM, nan], events=[born_later]))
    assert finding.places[0].at == "a/t.py:9"
    assert "acos (t.py:9), sqrt (t.py:8)" in str(finding.why)
    assert "clamp" in finding.next[0].code
    read = judged(sketch(sites, losses=[*CALM, nan], grad_norms=[1.0] * 7, events=[born_later]))
    assert "The gradient was finite" in str(read.why)


def test_exp_keeps_its_own_cure_where_it_made_the_growth_itself() -> None:
    sites = [site("fc", "linear"), site("std", "exp")]
    finding = judged(sketch(sites, losses=[4e15, 6.0, inf], events=[born(2, op="exp", site=1, operand_max=162.0)]))
    assert finding.rank == 0
    assert "exploding-gradient" in finding.explains
    assert "log_std.clamp" in finding.next[0].code
    assert judged(sketch(sites, losses=[1.0, 1e4, 1e9, inf], events=[born(3, op="exp", operand_max=1e7)])).rank == 2


def test_nothing_is_said_of_operands_that_were_not_read() -> None:
    finding = judged(sketch(losses=[*CALM, nan], events=[born(op="mul", phase="backward", reason="overflow")]))
    assert "Its operands were not read" in str(finding.why)
    divided = judged(sketch(losses=[*CALM, nan], events=[born(op="div", reason="division")]))
    assert "Its divisor is not known" in str(divided.why)
    known = born(op="div", operand_min=16.0, operand_max=16.0, reason="division-by-zero")
    assert "division by 0" not in str(judged(sketch(losses=[*CALM, nan], events=[known])).message)


def test_a_value_that_a_mask_hides_is_mended_before_the_operation() -> None:
    finding = judged(sketch(losses=[*CALM, nan], events=[born(op="sqrt", reason="outside-domain", hidden=True)]))
    assert "the sqrt of a negative number" in str(finding.message)
    assert "torch.where" in finding.next[0].code
