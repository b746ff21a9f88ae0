"""Vanishing gradient: almost nothing of it reaches the first layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.depth_over_time import CURES, LateFall, late_fall
from gradmedic.diagnosis.features.depth_profile import Slope, foreseen, longest, shares, slope
from gradmedic.diagnosis.features.layers import layers, sound
from gradmedic.diagnosis.features.starved_player import STEEP, StarvedPlayer, starved
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.loss_progress import FEWEST
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, is_contest, outcome, stalled
from gradmedic.recording.ledger import Ledger
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.sketch import Columns, Drawn, parameter, site, sketch


def _deep(factor: float, losses: list[float], depth: int = 9, pace: float = 1e-3) -> Recording:
    """A chain of sigmoid layers in which each passes on `factor` of the gradient."""
    sites, parameters = [], []
    for at in range(depth):
        size = 0.1 * factor ** (depth - 1 - at)
        sites.append(site(f"fc{at}", "linear", {"grad_norm": [size] * 3}, parameter=f"fc{at}.weight", fan_in=64))
        sites.append(site(f"act{at}", "sigmoid"))
        numbers: Columns = {"grad_rms": [size / 10] * 3, "weight_rms": 0.1, "update_rms": pace * size}
        parameters.append(parameter(f"fc{at}.weight", numbers, shape=(64, 64)))
    return sketch(sites, parameters, losses=losses)


def _fading(losses: list[float]) -> Recording:
    """Nine layers through which the gradient passes at first, and ever less since the third capture."""
    sites, parameters = [], []
    for at in range(9):
        sizes = [0.1 * factor ** (8 - at) for factor in (1.0, 0.8, 0.5, 0.4, 0.4)]
        sites.append(site(f"fc{at}", "linear", {"grad_norm": sizes}, parameter=f"fc{at}.weight", fan_in=64))
        numbers: Columns = {"grad_rms": [size / 10 for size in sizes], "weight_rms": 0.1, "update_rms": 1e-4}
        parameters.append(parameter(f"fc{at}.weight", numbers, shape=(64, 64)))
    return sketch(sites, parameters, losses=losses)


@dataclass(frozen=True)
class VanishingGradient(Rule):
    """
    ## What it finds
    Networks in which the gradient shrinks from layer to layer on its way back, so that the first
    layers get next to nothing: from the start of training, or since its first steps where the run
    fails.

    ## Why it hurts
    The first layers stay as random as they were initialized, and all later ones have to work with
    what they make of the input. With plain SGD the whole network often learns no more than the
    mean of its targets; Adam rescales small gradients, but not below its `eps` (1e-8).

    ## What causes it
    Each layer multiplies the gradient's size by about the gain of its weights times the slope of
    its activation. A sigmoid's slope is at most 0.25, a hard sigmoid's 1/6: ten layers cost six
    decades and more. ReLU with PyTorch's default weights passes on 0.41 of it, 20 layers 1e-8.
    The ledger says who lost the decades. Deep transformers that normalize behind each block come to it
    within a few steps without a warm-up: their tokens become alike.

    ## Example
    ```python
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 64), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    ```

    ## Instead
    ```python
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 64), nn.ReLU())]
    for layer in layers[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    ```
    Deeper than about 30 layers, add shortcuts (`x + block(x)`) or normalization as well.

    ## References
    - Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen, 1991
    - Glorot and Bengio, [Understanding the difficulty of training deep feedforward neural
      networks](https://proceedings.mlr.press/v9/glorot10a.html), 2010
    - Schoenholz et al., [Deep Information Propagation](https://arxiv.org/abs/1611.01232), 2017
    """

    name: ClassVar[str] = "vanishing-gradient"
    severity: ClassVar[Severity] = Severity.CRITICAL

    decades: float = 4.0
    """Decades between the layers near the output and the first that no healthy network was seen to
    lose: more than this is found even if the loss fell at first."""

    suspect: float = 2.0
    """Decades that count only where training fails: plain networks that learn may lose this much."""

    steepest: float = 0.6
    """Largest share of the loss that one layer may make: a single drop is another disease."""

    starved: float = 0.01
    """Share of the last layers' pace under which one of the first counts as standing still."""

    nothing: float = 1e-6
    """Gradient rms over weight rms under which plain SGD leaves weights where they are."""

    SICK: ClassVar = Drawn(
        lambda: [
            _deep(0.2, [2.31] * 40),
            _deep(0.12, [0.18] * 3 + [0.074] * 60),  # learned the mean image
            _deep(0.45, [1.1] * 40),
            _fading([2.30, 2.31] * 40),
            _deep(0.2, [1.0, 1.01] * 40 + [1.0 * 0.97**i for i in range(60)]),  # Adam dug it out in the end
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _deep(0.8, [2.3] * 40),  # stuck, but the gradient arrives
            _deep(0.45, [2.3 * 0.95**i for i in range(60)]),  # loses 2.8 decades and learns
            _fading([2.3 * 0.95**i for i in range(80)]),  # and learns
            _deep(0.2, [2.3] * 40, depth=3),  # too few layers to speak of depth
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            captures = [capture for capture in recording.captures_of(stream)[:4] if sound(capture)][:3]
            slopes = [(found, at) for at in captures if (found := slope(recording, at)) is not None]
            if slopes:
                lost = median(-self._lost(found) for found, _ in slopes)
                severity = self._severity(recording, stream, lost)
                if severity is not None and slopes[0][0].fall <= self.steepest:
                    yield self._finding(recording, *slopes[0], lost, severity)
                    continue
            if outcome(recording, stream) is TrainingState.FAILED:
                if (late := late_fall(recording, stream, self.suspect)) is not None:
                    yield self._later(late)
            elif is_contest(recording, stream) and (beaten := starved(recording, stream, self.suspect)) is not None:
                yield self._starved(beaten)

    def _lost(self, found: Slope) -> float:
        # Where activations shrink as much on the way forward, each weight's gradient is the product
        # of the two, and all hidden layers are starved alike. Then only `arriving` falls.
        tiny = median(layer.pull for layer in found.first) < self.nothing
        return found.arriving if tiny else max(found.arriving, found.weights)

    def _severity(self, recording: Recording, stream: int, lost: float) -> Severity | None:
        result = outcome(recording, stream)
        if lost < self.suspect:
            return None
        if result is TrainingState.FAILED:
            strong = lost >= self.decades
            return self.severity if strong else Severity.WARNING if self._stand_still(recording, stream) else None
        if lost < self.decades:
            return None
        if len(recording.losses(stream)) < FEWEST:
            return Severity.WARNING  # nothing can be learned yet that would speak against it
        if result is TrainingState.SETTLED and self._stand_still(recording, stream):
            return Severity.WARNING
        return Severity.WARNING if result is TrainingState.LEARNING and stalled(recording, stream) else Severity.NOTE

    def _stand_still(self, recording: Recording, stream: int) -> bool:
        """True where one of the first layers moves far less than the last ones, which do move."""
        shares = []
        for capture in recording.captures_of(stream):
            moved = [pace for layer in layers(recording, capture) if (pace := layer.pace) is not None]
            third = len(moved) // 3
            if third and (near := median(moved[-third:])) > 0:
                shares.append(min(moved[:third]) / near)
        return bool(shares) and median(shares) < self.starved

    def _later(self, late: LateFall) -> Finding:
        first, last = late.now.layers[0], late.now.last[-1]
        values = {
            "first": first.site.name,
            "last": last.site.name,
            "times": f"{10**late.fell:.1g}",
            "depth": f"{late.depth:.1f}",
            "step": late.capture.step,
        }
        text = "The gradient came to vanish: at {first} it is {times} times smaller at step {step} than at first"
        why = "On its way from {last} it loses {depth} decades more than at first."
        return Finding(
            self.name,
            Severity.WARNING,
            Message(text, values),
            Message(why, values),
            tuple(layer.site.place for layer in late.now.first),
            late.since,
            {"decades": round(-late.fell, 2), "decades_over_depth": round(-late.depth, 2)},
            CURES,
            rank=2,
            explains=("learning-rate-too-low", "gradient-underflow"),
        )

    def _starved(self, player: StarvedPlayer) -> Finding:
        evidence: dict[str, float | str] = {"decades": round(-player.fell, 2)}
        evidence |= {"loss_first": player.first, "loss_last": player.last}
        return Finding(
            self.name,
            Severity.WARNING,
            player.message,
            player.why,
            (player.place,),
            player.since,
            evidence,
            (STEEP,),
            rank=2,
            explains=("learning-rate-too-low", "saturated-activation"),
        )

    def _finding(
        self, recording: Recording, found: Slope, capture: Capture, lost: float, severity: Severity
    ) -> Finding:
        first, last = found.layers[0], found.last[-1]
        values = {"first": first.site.name, "last": last.site.name, "times": f"{10 ** min(lost, 300):.1g}"}
        text = "The gradient vanishes over depth: the one reaching {first} is {times} times smaller than near {last}"
        return Finding(
            self.name,
            severity,
            Message(text, values),
            _why(recording, capture, found),
            tuple(layer.site.place for layer in found.first),
            capture.step,
            {
                "decades": round(-lost, 2),
                "decades_per_layer": round(found.per_layer, 3),
                "layers": len(found.layers),
                "grad_rms_first": first.grad,
                "grad_rms_last": last.grad,
            },
            _cures(capture),
            rank=1,
            explains=("learning-rate-too-low", "gradient-underflow"),
        )


def _why(recording: Recording, capture: Capture, found: Slope) -> Message:
    ledger, booked = longest(capture), shares(capture)
    if ledger is None or booked is None:
        text = "Each of the {layers} layers passes on {factor} of the gradient on average."
        return Message(text, {"layers": len(found.layers), "factor": f"{10**found.per_layer:.2g}"})
    text = "On the way back activations changed its size by {activations} decades and weights by {weights}."
    told = Message(text, {"activations": f"{booked[0]:+.1f}", "weights": f"{booked[1]:+.1f}"})
    theory = foreseen(recording, ledger)
    return (
        told if theory is None else Message("{booked} {theory}", {"booked": told, "theory": _theory(ledger, *theory)})
    )


def _theory(ledger: Ledger, expected: float, critical: float) -> Message:
    """What was measured against what such weights and what better ones would do."""
    values = {"expected": f"{expected:+.1f}", "critical": f"{critical:+.1f}"}
    if ledger.total < expected - max(1.0, 0.2 * abs(expected)):
        return Message(
            "Theory expects no more than {expected} in all of such weights: the inputs take the rest.", values
        )
    return Message("Theory expects that of such weights ({expected} in all), and {critical} of critical ones.", values)


def _cures(capture: Capture) -> tuple[Cure, ...]:
    booked = shares(capture)
    swap = Cure(Message("Use an activation whose slope is near one in the hidden layers"), "nn.ReLU()")
    start = Cure(
        Message("Initialize the hidden layers so that they keep the signal's size"),
        'nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")\nnn.init.zeros_(layer.bias)',
    )
    bridge = Cure(Message("Let the gradient pass by the layers with shortcuts"), "x = x + block(norm(x))")
    weights_first = booked is not None and booked[1] < booked[0]
    return (start, swap, bridge) if weights_first else (swap, start, bridge)
