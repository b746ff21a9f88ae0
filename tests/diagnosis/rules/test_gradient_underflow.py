"""Gradient underflow: zeros for want of precision, and zeros for other reasons."""

from math import inf

from gradmedic.diagnosis.finding import Finding
from gradmedic.diagnosis.rules.gradient_underflow import GradientUnderflow
from gradmedic.recording.records import Recording, Stream, Vital
from gradmedic.recording.sketch import DrawnSite, parameter, site, sketch

STUCK = [2.3] * 30


def judged(recording: Recording) -> list[Finding]:
    return list(GradientUnderflow().check(recording))


def chain(zeros: list[float], rms: float = 1e-7, dtype: str = "float16") -> list[DrawnSite]:
    return [site(f"fc{i}", "linear", {"grad_zero": [z] * 3, "grad_rms": rms}, dtype=dtype) for i, z in enumerate(zeros)]


def test_looks_first_where_the_zeros_begin() -> None:
    (finding,) = judged(sketch(chain([0.99, 0.8, 0.1]), losses=STUCK))
    assert [place.name for place in finding.places] == ["fc1", "fc0"]


def test_bfloat16_has_the_range_of_float32() -> None:
    assert not judged(sketch(chain([0.99, 0.8, 0.1], dtype="bfloat16"), losses=STUCK))


def test_an_infinite_loss_is_another_disease() -> None:
    assert not judged(sketch(chain([1.0, 1.0, 0.1]), losses=[inf] * 30))


def test_zeros_behind_a_max_pool_are_explained() -> None:
    sites = [*chain([0.75]), site("pool", "max_pool"), *chain([0.0])]
    assert not judged(sketch(sites, losses=STUCK))


def test_tokens_that_the_loss_does_not_read_are_explained() -> None:
    assert not judged(sketch(chain([0.0, 0.0, 0.97, 0.0]), losses=STUCK))


def scaled(skips: set[int], scale: float, steps: int = 60) -> Recording:
    vitals = [Vital(step, 0, float(step), 2.3, lr=0.1, scale=scale, skipped=step in skips) for step in range(steps)]
    return Recording(streams={0: Stream(0)}, vitals=vitals)


def test_a_scaler_that_never_finds_its_scale_is_found() -> None:
    (finding,) = judged(scaled(set(range(0, 60, 2)), 1e-4))
    assert finding.evidence["skipped_share"] == 0.5


def test_a_scaler_that_skips_at_first_is_healthy() -> None:
    assert not judged(scaled(set(range(12)), 1024.0))


def test_weights_that_moved_once_are_not_too_coarse() -> None:
    numbers = {"clipped_rms": [1e-3] * 3, "update_rms": [0.0, 1e-4, 0.0]}
    assert not judged(sketch([], [parameter("fc.weight", numbers, dtype="bfloat16")], losses=STUCK, lr=0.1))
