"""A gradient that comes to vanish is told from one that swings."""

import pytest

from gradmedic.diagnosis.features.depth_over_time import late_fall
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import Columns, parameter, site, sketch


def chain(factors: list[float]) -> Recording:
    """Nine layers, each of which passes on a share of the gradient that changes from look to look."""
    sites, parameters = [], []
    for at in range(9):
        sizes = [0.1 * factor ** (8 - at) for factor in factors]
        sites.append(site(f"fc{at}", "linear", {"grad_norm": sizes}, parameter=f"fc{at}.weight", fan_in=64))
        held: Columns = {"grad_rms": sizes, "weight_rms": 0.1}
        parameters.append(parameter(f"fc{at}.weight", held, shape=(64, 64)))
    return sketch(sites, parameters, losses=[2.3] * 9)


@pytest.mark.parametrize(
    ("factors", "since"),
    [([1.0, 0.8, 0.5, 0.4], 2), ([1.0, 0.5, 0.6, 0.4], 1), ([1.0, 0.4, 1.0, 0.4], None), ([1.0, 0.5, 0.4, 0.8], None)],
)
def test_it_has_to_get_less_at_every_look_to_the_end(factors: list[float], since: int | None) -> None:
    found = late_fall(chain(factors), 0, 2.0)
    assert (found and found.since) == since
