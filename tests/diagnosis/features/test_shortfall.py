"""What is said of a loss that failed, and of the numbers that stand out."""

import pytest

from gradmedic.base.locale import say
from gradmedic.diagnosis.features.shortfall import oddities, shortfall
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.sketch import Columns, parameter, site, sketch


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([2.31, 2.3] * 20, "the loss does not fall: 2.3 → 2.3"),
        ([2.31 - 0.003 * at for at in range(40)], "the loss falls by little: 2.31 → 2.2"),
        ([1.0 + 0.1 * at for at in range(40)], "the loss rises: 1.15 → 4.75"),
        (
            [1.0, *[30.0, 28.0, 25.0, 20.0, 15.0], *[0.97] * 40],
            "hardly better than before the first step (1): 26.5 → 0.97",
        ),
        ([0.7, 0.7, 0.7, float("nan")], "the loss is not finite any more"),
    ],
)
def test_the_loss_is_said_to_do_what_it_did(losses: list[float], said: str) -> None:
    assert say(shortfall(sketch(losses=losses), 0)).endswith(said)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([0.9 - 0.005 * at for at in range(40)], "no better than a guess (0.69): 0.893 → 0.713"),
        ([9.0, 8.0] * 20, "the loss is far above that of a guess (0.69): 8.5 → 8.5"),
    ],
)
def test_a_guess_is_what_a_loss_is_compared_with(losses: list[float], said: str) -> None:
    sites = [site("fc", "linear"), site("loss", "binary_cross_entropy", {"loss": losses[:1], "guess": [0.69]})]
    assert say(shortfall(sketch(sites, losses=losses), 0)).endswith(said)


def test_numbers_out_of_the_ordinary_are_told() -> None:
    numbers: Columns = {"weight_rms": [0.1, 1e-3], "grad_rms": 0.1, "update_rms": 1e-7}
    tallies = Event("tallies", 9, {"clip_calls": 10, "clip_bites": 9})
    sites = [
        site("fc1", "linear", {"grad_rms": 1e-9}),
        site("act", "relu", {"dead": 0.75}),
        *(site(f"fc{at}", "linear", {"grad_rms": 1e-3}) for at in (2, 3)),
    ]
    drawn = sketch(sites, [parameter("fc1.weight", numbers, shape=(64, 64))], losses=[2.3] * 9, events=[tallies])
    assert [say(told) for told in oddities(drawn, 0)] == [
        "a step is 1e-06 of the weights' size",
        "90% of the steps were clipped",
        "weights end at 0.01 times their first size",
        "the gradient (rms) is 1e-09 at fc1 and 0.001 at fc3",
        "75% of the units of act are dead",
    ]


def test_nothing_stands_out_where_all_is_ordinary() -> None:
    numbers = {"weight_rms": 0.1, "grad_rms": 0.1, "update_rms": 1e-4}
    drawn: Recording = sketch(
        [site(f"fc{at}", "linear", {"grad_rms": 0.01}) for at in range(3)],
        [parameter("fc1.weight", numbers, shape=(64, 64))],
        losses=[2.3] * 9,
        lr=0.1,
    )
    assert oddities(drawn, 0) == []
