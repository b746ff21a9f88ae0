"""What a treatment has brought: the diagnosis, every arm that was run, and the prescription, if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

from gradmedic.base.messages import Message
from gradmedic.base.views import view
from gradmedic.diagnosis.report import Report
from gradmedic.treatment.prescription import Item, Prescription
from gradmedic.trials.paired_effect import Arm, Effect
from gradmedic.trials.scoring import Scale, tail
from gradmedic.trials.trial import Outcome
from gradmedic.trials.worsened import Worsened


@dataclass(frozen=True)
class ArmResult:
    """One arm against its control: how much better it ended, and whether fresh seeds have confirmed it.

    `worse` is what the script prints that has become worse by it.
    """

    arm: Arm
    effect: Effect
    confirmed: bool = False
    worse: Worsened | None = None


@dataclass(frozen=True)
class Treatment:
    """The whole story of one treatment. `lines` begin with the best arm; `chosen` may not be the first.

    `before` is the report on the script as it is, `after` that on the script under the prescription.
    `trials` counts all runs, controls included. `reason` says why nothing was tried, if nothing was;
    `unmeasured` why runs were not ranked by their loss, if they were not.
    """

    before: Report
    control: Arm | None = None
    lines: tuple[ArmResult, ...] = ()
    chosen: ArmResult | None = None
    after: Report | None = None
    scale: Scale | None = None
    steps: int | None = None
    trials: int = 1
    seconds: float = 0.0
    reason: Message | None = None
    unmeasured: Message | None = None
    interrupted: bool = False

    @property
    def prescription(self) -> Prescription | None:
        """What to train under, or None where no remedy is better than none."""
        return self.chosen.arm.prescription if self.chosen else None

    @property
    def verdict(self) -> Message:
        """The outcome in a sentence."""
        if self.reason is not None:
            return self.reason
        if self.unmeasured is not None and (self.scale is None or self.scale.goal is None):
            return _healed(self.chosen, self.unmeasured)
        if self.chosen is None and self.worsening:
            return self.worsening[0]
        if self.chosen is None:
            text = "No remedy is better than none: of {tried} that were tried, not one made training end better."
            return Message(text, {"tried": len(self.lines)})
        return _helped(self.chosen, self.unit)

    @property
    def worsening(self) -> list[Message]:
        """What is to be said of remedies that better the loss and worsen what the script prints."""
        return [
            Message(
                "{remedy} brings the loss down and makes worse what the script prints: {name} {before} → {after}. "
                "It is not prescribed.",
                {
                    "remedy": label(line.arm.prescription),
                    "name": line.worse.name,
                    "before": f"{line.worse.before:.3g}",
                    "after": f"{line.worse.after:.3g}",
                },
            )
            for line in self.lines
            if line.worse is not None and (line.effect.proved or line.effect.likely)
        ]

    def to_json(self) -> str:
        """The treatment as JSON, by the schema `gradmedic.treatment/1`."""
        return view(self, "json", self.before.lang)

    def to_html(self) -> str:
        """The treatment as one page for a browser."""
        return view(self, "page", self.before.lang)

    def __str__(self) -> str:
        return view(self, "text", self.before.lang)

    def _repr_html_(self) -> str:
        return view(self, "html", self.before.lang)

    @property
    def unit(self) -> Message:
        """What effects are counted in."""
        return unit_of(self.scale.unit if self.scale is not None else "")


def _healed(line: ArmResult | None, why: Message) -> Message:
    if line is None:
        text = "No remedy was found that leaves no fault. {why} Name a number that the script prints with --metric."
        return Message(text, {"why": why})
    text = (
        "{remedy} heals the diagnosis. Whether the network does better is not proved: {why} "
        "Name a number that the script prints with --metric."
    )
    return Message(text, {"remedy": label(line.arm.prescription), "why": why})


def _helped(line: ArmResult, unit: Message) -> Message:
    found = line.effect
    values = {
        "remedy": label(line.arm.prescription),
        "effect": f"{found.mean:.2f}",
        "low": f"{found.low:.2f}",
        "high": f"{found.high:.2f}",
        "seeds": len(found.pairs),
        "unit": unit,
    }
    if not line.confirmed and found.rescued:
        return Message("{remedy} helps: training breaks without it; other seeds were not tried.", values)
    if not line.confirmed:
        return Message(
            "{remedy} helps by {effect} {unit} with the script's own seeds; other seeds were not tried.", values
        )
    if found.rescued == len(found.pairs):
        return Message(
            "{remedy} helps: training breaks without it and holds with it, on {seeds} of {seeds} fresh seeds.", values
        )
    if found.proved:
        return Message(
            "{remedy} helps by {effect} {unit}, between {low} and {high} on {seeds} fresh seeds (95 %).", values
        )
    return Message("{remedy} helps by {effect} {unit} on each of {seeds} fresh seeds, too few to prove it.", values)


def unit_of(unit: str) -> Message:
    """A scale's unit in words."""
    match unit:
        case "decades of loss":
            return Message("decades of loss")
        case "decades of growth":
            return Message("decades less growth of losses and gradients")
        case "metric":
            return Message("of the metric")
        case _:
            return Message("decades of loss, with its sign")


def label(prescription: Prescription) -> str:
    """The remedies of a prescription with their doses, on one line."""
    return " + ".join(map(_item, prescription.items))


def _item(item: Item) -> str:
    doses = [text for key, value in item.dose.items() if (text := _dose(key, value))]
    return f"{item.remedy}({', '.join(doses)})" if doses else item.remedy


def _dose(key: str, value: object) -> str:
    if value in ("", (), []) or value is None:
        return ""
    if isinstance(value, float):
        return f"{key}={value:.3g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{key}={value[0]}" if len(value) == 1 else f"{len(value)} {key}"
    return f"{key}={value}"


def ending(runs: Sequence[Outcome]) -> str:
    """How runs of one arm ended, by their typical loss, or by what became of them."""
    if not runs:
        return ""
    worst = next((run for run in runs if not run.ended.well), None)
    if worst is not None:
        return str(worst.ended)
    streams = list(runs[0].series)
    return " / ".join(_typical([run for run in runs if name in run.series], name) for name in streams[:3])


def _typical(runs: Sequence[Outcome], name: str) -> str:
    ends = [loss for run in runs for loss in tail(run.series[name])[-5:]]
    if not all(isfinite(loss) for loss in ends):
        return "nan"
    return f"{median(median(tail(run.series[name])) for run in runs):.3g}" if ends else ""
