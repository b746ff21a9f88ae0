"""The dose of a lower rate comes from the steps that were recorded."""

from dataclasses import replace

import pytest

from gradmedic.base.locale import say
from gradmedic.diagnosis.features.slower_rate import slower
from gradmedic.recording.sketch import sketch


@pytest.mark.parametrize(
    ("step", "pace", "said"),
    [
        (0, 0.5, "Lower the learning rate to about 2e-05"),
        (9, 0.5, "Lower the learning rate to about 0.0002"),
        (0, 0.001, "Lower the learning rate tenfold"),
    ],
)
def test_the_rate_is_that_at_which_such_a_step_would_have_been_usual(step: int, pace: float, said: str) -> None:
    drawn = sketch(losses=[1.0] * 10)
    rising = replace(drawn, vitals=[v._replace(lr=1e-3 * (at + 1)) for at, v in enumerate(drawn.vitals)])
    assert say(slower(rising, 0, step, pace).act) == said


def test_without_a_rate_it_is_tenfold() -> None:
    assert say(slower(sketch(losses=[1.0] * 10), 0, 0, 0.5).act) == "Lower the learning rate tenfold"
