"""What real training with each activation has shown: who stands where, and how sure that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import inf, isfinite, isinf

from gradmedic.base.messages import Message
from gradmedic.base.views import view
from gradmedic.treatment.prescription import Prescription
from gradmedic.trials.loss_curves import LossCurve, curves
from gradmedic.trials.paired_effect import Arm, Effect, effect, interval
from gradmedic.trials.run_summary import Checkup
from gradmedic.trials.scoring import Scale, start
from gradmedic.trials.search.treatment_result import unit_of
from gradmedic.trials.trial import Outcome, RunEnd

SCRIPT, RIGHT = "script", "right"
"""Starts of weights: as the script draws them, or as the activation needs them."""
LEARNED = 0.05
"""Decades by which a loss has to end below that of the untrained network to count as trained."""


@dataclass(frozen=True)
class Entrant:
    """An activation with a start of the weights before it, and its runs.

    `rate` is what the script's learning rates are multiplied by.
    """

    activation: str
    start: str
    arm: Arm
    rate: float = 1.0

    @property
    def is_control(self) -> bool:
        """True for the script as it is."""
        return not self.arm.prescription.items

    @property
    def is_swapped(self) -> bool:
        """True for another activation than the network's own."""
        return any(item.remedy == "swap-activation" for item in self.arm.prescription.items)

    @property
    def label(self) -> Message | str:
        """Its name in a sentence."""
        if self.is_control:
            return Message("{activation} as it is", {"activation": self.activation})
        if self.start == SCRIPT:
            return Message("{activation} with the script's own start", {"activation": self.activation})
        return self.activation if self.is_swapped else Message("{activation} with its right start", vars(self))


@dataclass(frozen=True)
class Standing:
    """An entrant among the others.

    `effect` is how much better it ended than the script as it is, seed by seed; `level` its mean
    score with the 95 % interval, the lower the better. `place` is one more than the number of
    entrants that were proved better than it: whoever shares a place cannot be told apart from
    somebody else there. What broke is last, whatever its place.
    """

    entrant: Entrant
    effect: Effect
    level: tuple[float, float, float]
    place: int
    tied: bool

    @property
    def runs(self) -> list[Outcome]:
        """Its runs, in the order of seeds."""
        return [run for _, run in sorted(self.entrant.arm.runs.items())]

    @property
    def held(self) -> bool:
        """True if every run came to its end with a finite loss."""
        return isfinite(self.level[0])

    @property
    def refused(self) -> bool:
        """True if it could not be given to this script: what was run then was something else."""
        return any(run.ended is RunEnd.REFUSED for run in self.runs)

    @property
    def checkup(self) -> Checkup:
        """What its first run looked like inside."""
        seen = () if self.refused else self.runs
        return next((run.checkup for run in seen if run.checkup is not None), Checkup())

    @property
    def pace(self) -> float | None:
        """Seconds per step of its quietest run: whatever else the machine did can only have made it longer."""
        seen = () if self.refused else self.runs
        told = [run.checkup.pace for run in seen if run.checkup is not None and run.checkup.pace is not None]
        return min(told, default=None)

    @property
    def curves(self) -> dict[str, LossCurve]:
        """Its loss over the steps, by stream, over the seeds: data for a plot."""
        return {} if self.refused else curves(self.runs)


def standings(entrants: Iterable[Entrant], scale: Scale) -> tuple[Standing, ...]:
    """The entrants, the best first; the control has to be among them."""
    known = [one for one in entrants if one.arm.runs]
    control = next(one.arm for one in known if one.is_control)
    places = [1 + sum(_beats(other, one, scale) for other in known) for one in known]
    made = [
        Standing(one, effect(one.arm, control, scale), _level(one.arm, scale), place, places.count(place) > 1)
        for one, place in zip(known, places, strict=True)
    ]
    return tuple(sorted(made, key=lambda one: (not one.held, one.place, not one.effect.proved, one.level[0])))


def _beats(one: Entrant, other: Entrant, scale: Scale) -> bool:
    """True if it is proved to be better; what broke in one of its runs is behind all that held."""
    if not isfinite(one.arm.level(scale)):
        return False
    return not isfinite(other.arm.level(scale)) or effect(one.arm, other.arm, scale).proved


def _level(arm: Arm, scale: Scale) -> tuple[float, float, float]:
    scores = [*arm.scores(scale).values()]
    return (inf, inf, inf) if any(map(isinf, scores)) else interval(scores)


@dataclass(frozen=True)
class Comparison:
    """All that was run with each activation. `standings` begin with the best; the script as it is is one of them.

    `own` are the activations of the network as it is, at `sites`, which name `places` operations.
    `steps` is None where runs went to the script's own end. `pace` is the seconds per step of the
    network's own activation, swapped for itself: what ratios of time are to be taken to.
    """

    subject: str
    own: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    places: int = 0
    standings: tuple[Standing, ...] = ()
    scale: Scale = field(default_factory=Scale)
    steps: int | None = None
    pace: float | None = None
    trials: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    lang: str = "en"

    @property
    def best(self) -> Standing:
        """The one with the best mean among those that nobody was proved better than."""
        return self.standings[0]

    @property
    def control(self) -> Standing:
        """The script as it is."""
        return next(one for one in self.standings if one.entrant.is_control)

    @property
    def seeds(self) -> tuple[int, ...]:
        """What was added to the script's seeds, run by run."""
        return tuple(sorted({seed for one in self.standings for seed in one.entrant.arm.runs}))

    @property
    def length(self) -> int:
        """Steps of the longest run."""
        return max((run.steps for one in self.standings for run in one.runs), default=0)

    @property
    def prescription(self) -> Prescription:
        """What to train the script under to get the best one."""
        return self.best.entrant.arm.prescription

    def ratio(self, standing: Standing) -> float | None:
        """How many times as long as with the network's own activation a step takes; 1 where that is what it has."""
        if not standing.entrant.is_swapped:
            return 1.0
        return standing.pace / self.pace if standing.pace and self.pace else None

    @property
    def verdict(self) -> Message:
        """The outcome in a sentence or two."""
        if len(self.standings) < 2:
            return Message("Nothing was compared: it was ended before the first activation had been run.")
        if not self.trains:
            return Message(
                "None of them trains this network: after {steps} steps every loss is about where it began, or lost.",
                {"steps": self.length},
            )
        alike = [one for one in self.standings if one.place == self.best.place and one.held and one is not self.best]
        sentence = _said(self, alike)
        others = [one for one in alike if not one.entrant.is_control]
        if self.control.place == self.best.place or not others:
            return sentence
        return Message(
            "{sentence} As good, within the noise: {others}.", {"sentence": sentence, "others": _and(others)}
        )

    @property
    def trains(self) -> bool:
        """True if at least one of them brings the loss down."""
        ignorant = start(self.scale)
        return any(one.held and (isinf(ignorant) or one.level[0] < ignorant - LEARNED) for one in self.standings)

    def to_json(self) -> str:
        """The comparison as JSON, by the schema `gradmedic.comparison/1`."""
        return view(self, "json", self.lang)

    def to_markdown(self) -> str:
        """The comparison as Markdown."""
        return view(self, "markdown", self.lang)

    def to_html(self) -> str:
        """The comparison as one page for a browser."""
        return view(self, "page", self.lang)

    def __str__(self) -> str:
        return view(self, "text", self.lang)

    def _repr_html_(self) -> str:
        return view(self, "html", self.lang)


def _said(found: Comparison, alike: Sequence[Standing]) -> Message:
    """What is to be said of the best one and the script as it is."""
    best, control = found.best, found.control
    values: dict[str, object] = {
        "best": best.entrant.label,
        "own": " + ".join(found.own),
        "seeds": len(best.effect.pairs),
    }
    values["unit"] = unit_of(found.scale.unit)
    values |= {name: f"{getattr(best.effect, name):.2f}" for name in ("mean", "low", "high")}
    if len(best.effect.pairs) < 2:
        return Message("{best} ended best, on one seed: that may be chance.", values)
    if control.place == best.place and best.effect.likely:
        text = (
            "{best} ended better than the script as it is ({own}) on each of {seeds} seeds, by {mean} {unit}: "
            "too few to prove it."
        )
        return Message(text, values)
    if control.place == best.place:
        return _none_better(values, [one for one in (best, *alike) if one is not control])
    if not control.held:
        return Message("{best} trains, where the script as it is ({own}) breaks.", values)
    text = "{best} trains best: it beats the script as it is ({own}) by {mean} {unit} ({low} to {high}, {seeds} seeds)."
    return Message(text, values)


def _none_better(values: Mapping[str, object], others: Sequence[Standing]) -> Message:
    if not others:
        return Message("The script's own {own} trains best: all others end worse.", values)
    text = "Nothing is proved better than the script's own {own}; within the noise ({seeds} seeds) as good: {others}."
    return Message(text, {**values, "others": _and(others)})


def _and(standings: Sequence[Standing]) -> Message | str:
    labels: list[Message | str] = [one.entrant.label for one in standings]
    return reduce(lambda before, one: Message("{before}, {one}", {"before": before, "one": one}), labels)


def as_loss(score: float, scale: Scale) -> float:
    """The loss (or the metric) that a score stands for; a signed score or one of growth stays what it is."""
    if scale.goal is not None:
        return score if scale.goal == "min" else -score
    try:
        return 10.0**score if set(scale.kinds.values()) == {"log"} else score
    except OverflowError:
        return inf
