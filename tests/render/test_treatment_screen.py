"""The screens of a treatment, compared whole with those in `golden`."""

from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from math import nan
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from support.arms import arm, falling
from support.treatments import (
    CLIP,
    DRAWN,
    HEALTHY,
    SWAP,
    helped,
)

from gradmedic.base.locale import LANGUAGES
from gradmedic.base.messages import Message
from gradmedic.render.treatment.screen import show, text
from gradmedic.trials.search.treatment_result import Treatment, ending, label
from gradmedic.trials.trial import RunEnd

GOLDEN = Path(__file__).parents[1] / "golden"


def screen(found: Treatment, lang: str, width: int) -> str:
    file = StringIO()
    show(found, lang, Console(file=file, width=width), "prescription.toml" if found.chosen else None)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def same_as_golden(name: str, text: str, accept: bool) -> None:
    if accept:
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_screens_look_as_accepted(name: str, lang: str, accept: bool) -> None:
    text = screen(DRAWN[name](), lang, 80)
    assert max(map(cell_len, text.splitlines())) <= 80
    same_as_golden(f"treat.{name}.{lang}.txt", text, accept)


def test_ascii_screens_look_as_accepted(accept: bool) -> None:
    raw = BytesIO()
    file = TextIOWrapper(raw, encoding="ascii")
    show(helped(), "zh", Console(file=file, width=80))
    file.flush()
    same_as_golden("treat.helped.ascii.txt", raw.getvalue().decode("ascii"), accept)


def test_a_treatment_can_be_printed() -> None:
    assert "helps by" in str(helped())
    assert str(helped()) == text(helped(), "en")


def test_a_healthy_script_takes_one_line() -> None:
    healthy = Treatment(HEALTHY, reason=Message("This script is healthy: there is nothing to treat."))
    assert screen(healthy, "en", 80).count("\n") == 1


def test_long_doses_are_counted_and_short_ones_shown() -> None:
    assert label(SWAP) == "swap-activation(to=relu, 5 sites)"
    assert label(CLIP) == "init-he + clip-grad-norm(max_norm=1)"


def test_how_runs_ended_is_told_by_the_worst_of_them() -> None:
    runs = list(arm(falling(2.3, 0.2), falling(2.3, 0.4)).runs.values())
    assert ending(runs) == "0.345"
    assert ending([*runs, replace(runs[0], ended=RunEnd.TIMED_OUT)]) == "timed-out"
    assert ending([*arm([nan] * 9).runs.values()]) == "nan"
    assert ending([]) == ""
