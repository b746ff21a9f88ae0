"""Dead ReLU: units that output zero whatever they are shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.layers import layers, paces
from gradmedic.diagnosis.features.slower_rate import slower
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, before_the_end, outcome
from gradmedic.recording.records import MEASURED, Capture, Recording
from gradmedic.recording.site import Kind, Place, Site
from gradmedic.recording.sketch import Drawn, parameter, site, sketch

CUTS = ("relu", "relu6", "clamp", "threshold", "maximum")
"""Operations that are flat at zero on one side; others cannot die."""


CONSEQUENCES = (
    "vanishing-gradient",
    "exploding-gradient",
    "learning-rate-too-low",
    "loss-spike",
    "saturated-activation",
)
"""What follows where units are dead. That steps are too large follows only where nothing is left alive."""


@dataclass(frozen=True)
class Death:
    """A layer whose units are silent: which, how many, from which capture on."""

    site: Site
    share: float
    since: Capture
    from_start: bool
    final: float = 1.0
    """The share at the last look."""


@dataclass(frozen=True)
class DeadRelu(Rule):
    """
    ## What it finds
    ReLU layers in which most units are zero for every sample, capture after capture: from the
    start of training, or from one step on.

    ## Why it hurts
    Where a ReLU is zero its derivative is zero too. A unit that is zero for every sample gets no
    gradient, so its own weights cannot wake it; only a change in the layers before it could. If a
    whole layer is dead, nothing in front of it learns any more.

    ## What causes it
    From the start: a bias far below zero, or inputs with a large negative mean. From one step on:
    a step so large that it threw the pre-activations of all samples below zero, because of the
    learning rate or of inputs in raw units (pixels of 0 to 255), whose gradient is as much larger.

    ## Example
    ```python
    layer = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    nn.init.constant_(layer[0].bias, -10.0)  # no input will ever lift these above zero
    ```

    ## Instead
    ```python
    layer = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.01))
    nn.init.zeros_(layer[0].bias)
    ```

    ## References
    - Lu et al., [Dying ReLU and Initialization](https://arxiv.org/abs/1903.06733), 2019
    - Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013
    """

    name: ClassVar[str] = "dead-relu"
    severity: ClassVar[Severity] = Severity.CRITICAL

    share: float = 0.7
    """Share of silent units from which a layer counts as dead where training fails. Healthy layers
    were seen up to 0.47 in one batch, sick ones from 0.98."""

    whole: float = 0.95
    """Share from which it counts even though the loss fell at first: nothing passes any more."""

    captures: int = 3
    """How many captures in a row the layer has to be silent: one batch is no disease."""

    raw: float = 10.0
    """Rms of the inputs from which they count as unscaled."""

    SICK: ClassVar = Drawn(
        lambda: [
            sketch(  # a bias far below zero
                [
                    site("fc1", "linear", parameter="fc1.weight", fan_in=64),
                    site("relu", "relu", {"silent": [1.0] * 4, "dead": [1.0] * 4}),
                    site("fc2", "linear", tail=True),
                ],
                losses=[0.69] * 40,
            ),
            sketch(  # killed by the first step, after which the loss only recovered
                [
                    site("fc1", "linear", {"input_rms": 90.0}, parameter="fc1.weight", fan_in=784),
                    site("relu", "relu", {"silent": [0.1, 0.98, 0.98, 1.0, 1.0]}),
                    site("fc2", "linear", tail=True),
                ],
                [parameter("fc1.weight", {"weight_rms": 0.02, "update_rms": [3.0, 0, 0, 0, 0]}, shape=(64, 784))],
                losses=[9.0, 4e4, 7e3, 50.0, 20.0, 5.0] + [2.31, 2.30] * 30,
                lr=0.1,
            ),
            sketch(  # nothing arrives before it any more, though what comes after it goes on learning
                [
                    site("fc1", "linear", {"grad_rms": [0.1, 0, 0, 0]}, parameter="fc1.weight"),
                    site("relu", "relu", {"silent": [0.3, 1.0, 1.0, 1.0]}),
                    site("fc2", "linear"),
                ],
                losses=[700 * 0.98**i for i in range(60)],
            ),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            sketch(  # dead, with a way around it, and learning
                [
                    site("fc1", "linear", {"grad_rms": 0.1}, parameter="fc1.weight"),
                    site("relu", "relu", {"silent": [0.3, 1.0, 1.0, 1.0]}),
                    site("fc2", "linear"),
                ],
                losses=[2.3 * 0.95**i for i in range(60)],
            ),
            sketch([site("relu", "relu", {"silent": [0.47] * 5}), site("fc2", "linear")], losses=[2.3] * 40),
            sketch(
                [site("relu", "relu", {"silent": [0.2, 0.9, 0.9, 0.3, 0.3]}), site("fc2", "linear")], losses=[2.3] * 40
            ),
            sketch(  # sparse, and learning
                [site("relu", "relu", {"silent": [0.8] * 5}), site("fc2", "linear")],
                losses=[2.3 * 0.95**i for i in range(60)],
            ),
            sketch(  # all is zero because the weights are: poor initialization
                [
                    site("fc1", "linear", {"value_rms": 0.0}, parameter="fc1.weight"),
                    site("relu", "relu", {"silent": [1.0] * 4}),
                ],
                [parameter("fc1.weight", {"weight_rms": 0.0, "update_rms": 0.0}, shape=(8, 8))],
                losses=[2.3] * 40,
            ),
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            result = outcome(recording, stream)
            # A run that ended in NaN may have been learning until then.
            stuck = result is TrainingState.FAILED and isfinite(recording.losses(stream)[-1][1])
            limit = self.share if stuck else self.whole
            sites = recording.in_order(stream)
            deaths = [death for site in sites if (death := self._death(recording, site, limit))]
            deaths = deaths or [death for site in sites if (death := self._mute(recording, site))]
            # Who died first is the cause; of those that died together, the first in the network.
            dead = sorted(deaths, key=lambda d: (d.since.step, d.site.order))
            if dead:
                yield self._finding(recording, dead, self._severity(recording, dead[0], result))

    def _severity(self, recording: Recording, worst: Death, result: TrainingState) -> Severity:
        """A dead layer without a way around it is no note even where what comes after it learns."""
        if result is TrainingState.UNCLEAR:
            return Severity.NOTE if worst.share < 1 else self.severity
        if result is not TrainingState.LEARNING:
            return self.severity
        captures = [c for c in recording.captures_of(worst.site.stream) if c.step >= worst.since.step]
        return Severity.WARNING if worst.share == 1 and _nothing_passes(recording, captures) else Severity.NOTE

    def _death(self, recording: Recording, site: Site, limit: float) -> Death | None:
        if (site.op not in CUTS and site.module_type != "ReLU6") or site.tail or self._fed_by_nothing(recording, site):
            return None
        seen = [c for c in before_the_end(recording, site.stream) if "silent" in c.sites.get(site.id, {})]
        silent = [capture.sites[site.id]["silent"] for capture in seen]
        alive = [at for at, share in enumerate(silent) if share < limit]
        start = alive[-1] + 1 if alive else 0
        if len(seen) - start < self.captures:
            return None
        return Death(site, min(silent[start:]), seen[start], start == 0, silent[-1])

    def _mute(self, recording: Recording, site: Site) -> Death | None:
        """A layer that gets nothing but zeros: a ReLU in front of it that was written by hand is dead."""
        source = next((recording.sites[key] for key in site.inputs if key in recording.sites), None)
        if site.kind is not Kind.WEIGHTS or source is None or self._fed_by_nothing(recording, source):
            return None
        seen = [c for c in before_the_end(recording, site.stream) if "input_rms" in c.sites.get(site.id, {})]
        loud = [at for at, capture in enumerate(seen) if capture.sites[site.id]["input_rms"] > 0]
        start = loud[-1] + 1 if loud else 0
        return Death(source, 1.0, seen[start], start == 0) if len(seen) - start >= self.captures else None

    def _fed_by_nothing(self, recording: Recording, site: Site) -> bool:
        """True where it is silent because its weights are zero: that is the initialization's fault."""
        feeder = _feeder(recording, site)
        held = next((p for p in recording.parameters.values() if feeder and p.name == feeder.parameter), None)
        series = recording.parameter_series(held.id, "weight_rms") if held else []
        return bool(series) and all(size == 0 for _, size in series)

    def _finding(self, recording: Recording, dead: list[Death], severity: Severity) -> Finding:
        worst = dead[0]
        feeder = _feeder(recording, worst.site)
        told = feeder or worst.site
        values = {"share": f"{worst.share:.0%}", "site": told.name, "step": worst.since.step}
        born = "{share} of the units of {site} are dead from the start: they are zero for every sample"
        killed = "{share} of the units of {site} died before step {step}: they are zero for every sample"
        why, cures, evidence = self._cause(recording, worst)
        nothing_left = max(death.final for death in dead) >= self.whole
        return Finding(
            self.name,
            severity,
            Message(born if worst.from_start else killed, values),
            why,
            _places(recording, dead),
            worst.since.step,
            {"dead": round(worst.share, 4), "layers": len(dead), **evidence},
            cures,
            rank=1 if worst.from_start else 2,
            explains=(*CONSEQUENCES, *(("learning-rate-too-high",) if nothing_left else ())),
        )

    def _cause(self, recording: Recording, death: Death) -> tuple[Message, tuple[Cure, ...], dict[str, float]]:
        leaky = Cure(Message("Use an activation that passes some gradient everywhere"), "nn.LeakyReLU(0.01)")
        if death.from_start:
            why = (
                "No sample lifts its pre-activations above zero when training begins: look at the bias and the inputs."
            )
            start = Cure(Message("Start with biases at zero"), "nn.init.zeros_(layer.bias)")
            return Message(why), (start, leaky), {"input_rms": _input_size(recording, death.site.stream)}
        inputs = _input_size(recording, death.site.stream)
        pace = _largest_pace(recording, death)
        evidence = {"update_over_weight": pace, "input_rms": inputs}
        text = "A step before that changed weights by {pace} times their own size; the inputs' rms is {inputs}."
        told = Message(text, {"pace": f"{pace:.2g}", "inputs": f"{inputs:.3g}"})
        gentle = slower(recording, death.site.stream, death.since.step, pace)
        scaled = Cure(Message("Scale the inputs to a size near one"), "x = (x - x.mean()) / x.std()")
        return told, (scaled, gentle, leaky) if inputs >= self.raw else (gentle, leaky, scaled), evidence


def _nothing_passes(recording: Recording, captures: Sequence[Capture]) -> bool:
    """True where the first weights of the network get a gradient of exactly zero."""
    first = next((site for site in recording.in_order(captures[0].stream) if site.kind in MEASURED), None)
    return first is not None and all(c.sites.get(first.id, {}).get("grad_rms") == 0 for c in captures)


def _feeder(recording: Recording, site: Site) -> Site | None:
    """The weights or normalization that make a site's input."""
    seen, ahead = {site.id}, list(site.inputs)
    while ahead:
        found = recording.sites.get(ahead.pop(0))
        if found is None or found.id in seen:
            continue
        if found.kind in (Kind.WEIGHTS, Kind.NORMALIZATION):
            return found
        seen.add(found.id)
        ahead.extend(found.inputs)
    return None


def _places(recording: Recording, dead: list[Death]) -> tuple[Place, ...]:
    feeder = _feeder(recording, dead[0].site)
    first = (feeder.place,) if feeder else ()
    return tuple(dict.fromkeys((*first, *(death.site.place for death in dead))))


def _input_size(recording: Recording, stream: int) -> float:
    for capture in recording.captures_of(stream)[:1]:
        for layer in layers(recording, capture)[:1]:
            return layer.flow.get("input_rms", 0.0)
    return 0.0


def _largest_pace(recording: Recording, death: Death) -> float:
    earlier = [c for c in recording.captures_of(death.site.stream) if c.step < death.since.step]
    return max((pace for capture in earlier for pace in paces(recording, capture).values()), default=0.0)
