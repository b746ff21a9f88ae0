"""The screens of a treatment, compared whole with those in `golden`."""

from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from math import nan
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from support.arms import arm, falling, prescribed

from gradmedic.base.locale import LANGUAGES
from gradmedic.base.messages import Message
from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.render.treatment import show, text
from gradmedic.trials.paired_effect import Arm, effect
from gradmedic.trials.scoring import scale_of
from gradmedic.trials.search.treatment_result import ArmResult, Treatment, ending, label
from gradmedic.trials.trial import RunEnd

GOLDEN = Path(__file__).parents[1] / "golden"
SICK, HEALTHY = judge(VanishingGradient.SICK[0]), judge(VanishingGradient.HEALTHY[1])
CONTROL = arm(*[falling(2.3, end) for end in (1.8, 1.9, 1.7, 1.8)])
SWAP = prescribed("swap-activation", to="relu", sites=[f"fc{i}/sigmoid" for i in range(5)])
CLIP = prescribed("init-he", "clip-grad-norm", max_norm=1.0)


def treated(control: Arm, *arms: Arm, chosen: int | None = 0, **told: object) -> Treatment:
    """A treatment in which these arms were run, the best first."""
    scale = scale_of([*control.runs.values()], [run for one in arms for run in one.runs.values()])
    lines = []
    for one in arms:
        fresh = [seed for seed in one.runs if seed > 0]
        lines.append(ArmResult(one, effect(one, control, scale, fresh or [0]), bool(fresh)))
    best = None if chosen is None else lines[chosen]
    told = {"after": HEALTHY if best else None, "trials": 31, "seconds": 142.3, **told}
    return Treatment(SICK, control, tuple(lines), best, scale=scale, **told)  # type: ignore[arg-type]


def helped() -> Treatment:
    better = arm(*[falling(2.3, end) for end in (0.11, 0.12, 0.10, 0.13)], prescription=SWAP)
    worse = arm(*[falling(2.3, end) for end in (0.3, 0.5, 0.4, 0.35)], prescription=CLIP)
    others = [arm(falling(2.3, 1.5 + i / 20), prescription=prescribed("warm-up", steps=10 * i)) for i in range(1, 13)]
    crashed = arm([2.3], prescription=prescribed("residual"), ended=RunEnd.CRASHED)
    return treated(CONTROL, better, worse, *others, crashed, steps=400)


def rescued() -> Treatment:
    control = arm(*[[2.3, *[nan] * 99]] * 3)
    return treated(control, arm(*[falling(2.3, 0.2)] * 3, prescription=CLIP))


def interrupted() -> Treatment:
    return treated(CONTROL, arm(falling(2.3, 0.2), prescription=SWAP), interrupted=True, after=None)


def helpless() -> Treatment:
    return treated(CONTROL, arm(falling(2.3, 1.8), prescription=SWAP), chosen=None)


DRAWN = {one.__name__: one for one in (helped, rescued, interrupted, helpless)}


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
