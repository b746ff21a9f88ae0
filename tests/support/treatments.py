"""Treatments drawn by hand: arms and outcomes as a search would bring them, without running anything."""

from math import nan

from support.arms import arm, falling, prescribed

from gradmedic.diagnosis.judge import judge
from gradmedic.diagnosis.rules.vanishing_gradient import VanishingGradient
from gradmedic.trials.paired_effect import Arm, effect
from gradmedic.trials.scoring import scale_of
from gradmedic.trials.search.treatment_result import ArmResult, Treatment
from gradmedic.trials.trial import RunEnd

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
