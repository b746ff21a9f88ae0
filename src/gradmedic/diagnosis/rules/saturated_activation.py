"""Saturated activation: sigmoid, tanh, gates or softmax stuck on their flat ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.layers import Layer, layers
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, before_the_end, outcome
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.recording.sketch import Drawn, parameter, site, sketch

ONE_SIDED = """relu relu6 clamp threshold maximum leaky_relu prelu rrelu elu celu selu gelu silu mish hardswish softplus
log_sigmoid softshrink hardshrink glu"""
"""Flat or nearly flat on one side by design: see dead-relu."""

TWO_SIDED = "sigmoid tanh softsign hardsigmoid hardtanh softmax sdpa"
"""Known to have a slope between two flat ends."""


@dataclass(frozen=True)
class SaturatedActivation(Rule):
    """
    ## What it finds
    Hidden sigmoid, tanh and similar layers, the gates of recurrent layers, and attention softmaxes
    of which more than half of all entries lie on the flat end, and stay there.

    ## Why it hurts
    On the flat end the slope is next to nothing, so what lies before the layer gets next to no
    gradient; it cannot even leave the flat end. A softmax whose rows are one-hot passes on nothing
    about which entry it should have chosen.

    ## What causes it
    Pre-activations that are too large: inputs in raw units (prices, pixels, temperatures), or
    weights that are too large for their fan-in, such as N(0, 1), or attention scores that are not
    divided by the root of the width. The finding says which of them was measured. Saturation that
    begins later follows from steps that were too large.

    ## Example
    ```python
    lstm = nn.LSTM(1, 32, batch_first=True)
    output, _ = lstm(passengers_per_month)  # 400 +- 150: every gate is fully open or shut
    ```

    ## Instead
    ```python
    lstm = nn.LSTM(1, 32, batch_first=True)
    output, _ = lstm((passengers_per_month - mean) / std)
    ```

    ## References
    - LeCun et al., Efficient BackProp, 1998
    - Glorot and Bengio, [Understanding the difficulty of training deep feedforward neural
      networks](https://proceedings.mlr.press/v9/glorot10a.html), 2010
    - Vaswani et al., [Attention Is All You Need](https://arxiv.org/abs/1706.03762), 2017, on why
      scores are scaled
    """

    name: ClassVar[str] = "saturated-activation"
    severity: ClassVar[Severity] = Severity.CRITICAL

    share: float = 0.5
    """Share of entries on the flat end (slope under 5 % of the largest) from which a layer counts.
    Healthy networks were seen up to 0.31 early on, sick ones from 0.90."""

    whole: float = 0.8
    """Share that counts even though the loss falls: something learns, but not what lies before."""

    steep: float = 2.0
    """Scale of an attention's scores, in units of 1 / root of the width, from which it is a mistake: at 1 scores
    of independent queries and keys have variance 1."""

    raw: float = 3.0
    """Rms of the inputs from which they count as unscaled."""

    heavy: float = 3.0
    """Gain (weight rms x root of the fan-in) from which weights count as too large: He gives 1.4."""

    SICK: ClassVar = Drawn(
        lambda: [
            sketch(  # raw units into a gated layer
                [site("lstm", "lstm", {"saturated": [0.95] * 5, "input_rms": 420.0}), site("fc", "linear", tail=True)],
                losses=[0.9] * 5 + [0.15] * 60,
            ),
            sketch(  # N(0, 1) weights under a tanh
                [
                    site("fc1", "linear", {"input_rms": 1.0}, parameter="fc1.weight", fan_in=64),
                    site("act", "tanh", {"saturated": [0.9] * 4}),
                    site("fc2", "linear", tail=True),
                ],
                [parameter("fc1.weight", {"weight_rms": 1.0}, shape=(64, 64))],
                losses=[2.3] * 40,
            ),
            sketch(  # scores that are multiplied by the width, in a network that learns something
                [
                    site("sdpa", "sdpa", {"saturated": [0.6] * 4, "score_scale": 64.0}, kind=Kind.ATTENTION),
                    site("fc", "linear", tail=True),
                ],
                losses=[2.9 - 0.005 * i for i in range(90)],
            ),
            sketch(  # a sigmoid of the script's own, by what it hands on
                [
                    site("fc1", "linear", {"input_rms": 300.0}, parameter="fc1.weight", fan_in=12),
                    site("Squash", "squash", {"saturated": [1.0] * 4}, kind=Kind.ACTIVATION),
                    site("fc2", "linear", tail=True),
                ],
                [parameter("fc1.weight", {"weight_rms": 0.3}, shape=(96, 12))],
                losses=[0.69] * 40,
            ),
            sketch(  # thrown there by training
                [site("act", "tanh", {"saturated": [0.0, 0.1, 0.99, 0.99, 0.99]}), site("fc2", "linear", tail=True)],
                losses=[2.3] * 10 + [15.0, 14.0] * 20,
            ),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            sketch([site("act", "tanh", {"saturated": [0.31] * 5}), site("fc2", "linear")], losses=[2.3] * 40),
            sketch(  # saturates late, where it should: the network has learned
                [site("act", "sigmoid", {"saturated": [0.0, 0.3, 0.7, 0.8, 0.8]}), site("fc2", "linear")],
                losses=[2.3 * 0.9**i for i in range(30)] + [0.1] * 30,
            ),
            sketch(  # starts there, and leaves
                [site("act", "tanh", {"saturated": [0.7, 0.5, 0.2, 0.1]}), site("fc2", "linear")],
                losses=[2.3 * 0.95**i for i in range(60)],
            ),
            sketch(  # one of the script's own, flat on one side
                [site("Rectify", "rectify", {"saturated": [0.6] * 4}, kind=Kind.ACTIVATION), site("fc2", "linear")],
                losses=[2.3] * 40,
            ),
            sketch([site("prob", "sigmoid", {"saturated": [0.9] * 4}, tail=True)], losses=[0.7] * 40),  # the output
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            seen = [site for site in recording.in_order(stream) if _bounded(site)]
            series = {site.id: _series(recording, site) for site in seen}
            late = {site.id: median(values[-3:]) for site in seen if len(values := series[site.id]) >= 3}
            stuck = [site for site in seen if late.get(site.id, 0.0) > self._least(site)]
            early = [s for s in stuck if min(series[s.id][0], median(series[s.id][:3])) > self._least(s)]
            result = outcome(recording, stream)
            if early:
                yield self._from_start(recording, early, series[early[0].id][0], result)
            elif stuck and result is TrainingState.FAILED:
                yield self._later(recording, stuck)

    def _least(self, site: Site) -> float:
        """The share from which it counts: a function that nobody knows may be flat on one side by design."""
        known = site.op in TWO_SIDED.split() or site.kind in (Kind.RECURRENT, Kind.ATTENTION)
        return self.share if known else self.whole

    def _from_start(self, recording: Recording, early: list[Site], share: float, result: TrainingState) -> Finding:
        first = early[0]
        capture = recording.captures_of(first.stream)[0]
        certain = share >= self.whole or _scale(capture, first) > self.steep
        severity = Severity.NOTE if result is TrainingState.LEARNING and not certain else self.severity
        why, cures, evidence = self._cause(recording, first, capture)
        text = "{share} of {site} is saturated from the start: hardly any gradient passes"
        if first.op in ("softmax", "sdpa"):
            text = "{share} of the rows of {site} are one-hot from the start: hardly any gradient reaches their scores"
        return Finding(
            self.name,
            severity,
            Message(text, {"share": f"{share:.0%}", "site": first.name}),
            why,
            tuple(site.place for site in early),
            capture.step,
            {"saturated": round(share, 4), "layers": len(early), **evidence},
            cures,
            rank=1,
            explains=(
                "vanishing-gradient",
                "vanishing-through-time",
                "learning-rate-too-low",
                "learning-rate-too-high",
            ),
        )

    def _later(self, recording: Recording, stuck: list[Site]) -> Finding:
        first = stuck[0]
        seen = list(before_the_end(recording, first.stream))
        series = [(c.step, c.sites[first.id]["saturated"]) for c in seen if "saturated" in c.sites.get(first.id, {})]
        since = next(step for at, (step, _) in enumerate(series) if min(row for _, row in series[at:]) > self.share)
        text = "{share} of {site} has been saturated since step {step}"
        slower = Cure(Message("Lower the learning rate tenfold, or warm it up"))
        return Finding(
            self.name,
            Severity.WARNING,
            Message(text, {"share": f"{series[-1][1]:.0%}", "site": first.name, "step": since}),
            Message("It was not when training began: the steps drove it there."),
            tuple(site.place for site in stuck),
            since,
            {"saturated": round(series[-1][1], 4), "layers": len(stuck)},
            (slower, Cure(Message("Normalize what goes in"), "nn.LayerNorm(width)")),
            rank=2,
            explains=("learning-rate-too-low",),
        )

    def _cause(
        self, recording: Recording, first: Site, capture: Capture
    ) -> tuple[Message, tuple[Cure, ...], dict[str, float]]:
        feeders = _feeding(recording, first, capture)
        inputs = max((layer.flow.get("input_rms", 0.0) for layer in feeders), default=0.0)
        inputs = inputs or capture.sites[first.id].get("input_rms", 0.0)
        gain = max((layer.gain for layer in feeders), default=0.0)
        evidence = {"input_rms": round(inputs, 4), "gain": round(gain, 4)}
        scaled = Cure(Message("Standardize what goes in"), "x = (x - x.mean()) / x.std()")
        lighter = Cure(Message("Initialize the weights for their fan-in"), "nn.init.xavier_uniform_(layer.weight)")
        values = {"inputs": f"{inputs:.3g}", "gain": f"{gain:.3g}"}
        if first.op == "softmax" or first.kind is Kind.ATTENTION:
            scale = _scale(capture, first)
            if scale > self.steep:
                text = "Its scores are multiplied by {times} times what keeps them at the size of one."
                default = Cure(Message("Leave the scale to torch"), "F.scaled_dot_product_attention(q, k, v)")
                return Message(text, {"times": f"{scale:.3g}"}), (default,), evidence | {"score_scale": scale}
            text = "Its scores are too far apart: divide them by the root of the width (weights' gain {gain})."
            divide = Cure(Message("Scale the scores"), "scores = query @ key.transpose(-2, -1) / math.sqrt(width)")
            return Message(text, values), (divide, lighter), evidence
        if inputs >= self.raw and gain >= self.heavy:
            text = "Its inputs are unscaled (rms {inputs}) and its weights too large (gain {gain}; about 1 is right)."
            return Message(text, values), (scaled, lighter), evidence
        if gain >= self.heavy:
            text = "Its weights are too large for their fan-in: gain {gain}, where about 1 is right."
            return Message(text, values), (lighter, scaled), evidence
        text = "Its inputs are too large: rms {inputs}."
        return Message(text, values), (scaled, lighter), evidence


def _series(recording: Recording, site: Site) -> list[float]:
    rows = (capture.sites.get(site.id, {}) for capture in before_the_end(recording, site.stream))
    return [row["saturated"] for row in rows if "saturated" in row]


def _scale(capture: Capture, site: Site) -> float:
    return capture.sites.get(site.id, {}).get("score_scale", 0.0)


def _bounded(site: Site) -> bool:
    if site.tail or site.op in ONE_SIDED.split() or site.module_type == "ReLU6":
        return False
    return site.kind in (Kind.ACTIVATION, Kind.ATTENTION, Kind.RECURRENT, Kind.OPAQUE, Kind.ARITHMETIC)


def _feeding(recording: Recording, site: Site, capture: Capture) -> list[Layer]:
    """The weight matrices right before a site, each with the size of its input; two for attention scores."""
    by_site = {layer.site.id: layer for layer in layers(recording, capture)}
    seen, ahead, found = {site.id}, [site.id, *site.inputs], []
    while ahead:
        key = ahead.pop(0)
        if key in by_site:
            found.append(by_site[key])
        elif key in recording.sites and (key not in seen or key == site.id):
            ahead.extend(source for source in recording.sites[key].inputs if source not in seen)
        seen.add(key)
    return found
