"""Poor initialization: weights that start at zero, all alike, far too small or far too large."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log10
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.depth_profile import forward_growth
from gradmedic.diagnosis.features.initial_weights import as_good_as_critical, detour, heavy, idle, stays_zero
from gradmedic.diagnosis.features.layers import Layer, layers
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Parameter, Place
from gradmedic.recording.sketch import Columns, Drawn, parameter, site, sketch

HE = 'nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")\nnn.init.zeros_(layer.bias)'


def _net(weight: float, losses: list[float], values: float = 1.0, depth: int = 4) -> Recording:
    """Linear and ReLU layers whose weights have one rms, and whose values change by a factor per layer."""
    sites, parameters = [], []
    for at in range(depth):
        numbers: Columns = {"input_rms": values**at, "value_rms": values ** (at + 1), "grad_norm": [0.1] * 3}
        sites.append(site(f"fc{at}", "linear", numbers, parameter=f"fc{at}.weight", fan_in=64))
        held: Columns = {"weight_rms": [weight] * 3, "grad_rms": 0.01 * weight, "update_rms": 0.001 * weight}
        parameters.append(parameter(f"fc{at}.weight", held, shape=(64, 64)))
    return sketch(sites, parameters, losses=losses)


def _zeros(grads: list[float], weights: list[float]) -> Recording:
    """Two factors of a product; the first starts at zero."""
    return sketch(
        [site("a", "matmul", parameter="lora_A"), site("b", "matmul", parameter="lora_B")],
        [
            parameter("lora_A", {"weight_rms": weights, "grad_rms": grads, "twins": 1.0}, shape=(4, 64)),
            parameter("lora_B", {"weight_rms": [0.0, *weights[1:]], "grad_rms": [0.0, *grads[1:]]}, shape=(64, 4)),
        ],
        losses=[2.3] * 40,
    )


def _alike(twins: list[float]) -> Recording:
    """A hidden layer whose units start with the same weights."""
    held: Columns = {"weight_rms": 0.5, "grad_rms": 0.01, "update_rms": 0.001, "twins": twins}
    return sketch(
        [site("fc1", "linear", parameter="fc1.weight", fan_in=64), site("relu", "relu"), site("fc2", "linear")],
        [parameter("fc1.weight", held, shape=(64, 64))],
        losses=[2.3] * 40,
    )


@dataclass(frozen=True)
class PoorInitialization(Rule):
    """
    ## What it finds
    Weights that start at exactly zero and get a gradient of exactly zero; layers whose units all
    start with the same weights, and so stay the same; networks whose weights are far too small or
    far too large for their fan-in.

    ## Why it hurts
    In a product of two zeros each factor's gradient is the other factor: neither ever moves. Units
    that are alike get the same gradient, so a layer of a hundred works like a layer of one. Weights
    of a tenth of the right size take a decade from the signal per layer, weights of ten times the
    right size add one: the loss starts far above that of a guess, and the first steps are spent,
    or lost, on undoing it.

    ## What causes it
    `zeros_`, `ones_` or `constant_` on weight matrices, both factors of LoRA at zero, `normal_` with
    its default standard deviation of 1, or a deviation that was meant for another width. Zero is
    right for biases, for the last layer of a residual branch and for *one* factor of LoRA: those
    get a gradient and move at once, and are not reported.

    ## Example
    ```python
    lora_A = nn.Parameter(torch.zeros(rank, inputs))
    lora_B = nn.Parameter(torch.zeros(outputs, rank))
    ```

    ## Instead
    ```python
    lora_A = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
    lora_B = nn.Parameter(torch.zeros(outputs, rank))
    ```

    ## References
    - Glorot and Bengio, [Understanding the difficulty of training deep feedforward neural
      networks](https://proceedings.mlr.press/v9/glorot10a.html), 2010
    - He et al., [Delving Deep into Rectifiers](https://arxiv.org/abs/1502.01852), 2015
    - Hu et al., [LoRA](https://arxiv.org/abs/2106.09685), 2021
    """

    name: ClassVar[str] = "poor-initialization"
    severity: ClassVar[Severity] = Severity.CRITICAL

    twins: float = 0.5
    """Share of a layer's units that have a bit-identical twin from which they count as alike:
    random weights have none."""

    small: float = 0.1
    """Gain (weight rms x root of the fan-in) under which weights are too small. PyTorch's default
    gives 0.58; networks with normalization learn with much less, so the run has to fail as well."""

    large: float = 4.0
    """Gain from which weights are too large: He gives 1.4, N(0, 1) the root of the fan-in."""

    grown: float = 1.5
    """Decades by which such weights have to enlarge the values between input and output."""

    beyond: float = 10.0
    """How many times the cross-entropy of a guess the first loss is, if they make the logits absurd."""

    above: float = 3.0
    """The same from which it is noted, whatever became of the run: logits of the usual start cost a tenth more than
    a guess."""

    wasted: float = 1 / 3
    """Share of the run that may go by until such a loss is back at that of a guess, in a run that learns."""

    SICK: ClassVar = Drawn(
        lambda: [
            _zeros([0.0] * 5, [0.0] * 5),
            _alike([1.0] * 5),
            _net(1e-5, [2.48] * 40, values=1e-4),
            _net(1.0, [900.0, 700.0] + [40.0] * 40, values=6.0),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _zeros([0.1] * 5, [0.0, 0.01, 0.02, 0.03, 0.04]),  # zero on purpose: moves at once
            _alike([1.0, 0.0, 0.0, 0.0, 0.0]),  # alike at first, told apart by the next layer's weights
            _net(0.01, [2.4 * 0.95**i for i in range(60)]),  # small, and learns
            _net(0.15, [2.3] * 40),  # stuck, but not for its weights
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        zeros = [p for p in recording.parameters.values() if stays_zero(recording, p)]
        if zeros:
            yield self._zero(recording, zeros)
        alike = [p for p in recording.parameters.values() if p not in zeros and self._alike(recording, p)]
        if alike:
            yield self._same(recording, alike)
        if zeros or alike:
            return
        for stream in recording.streams:
            result = outcome(recording, stream)
            capture = next(iter(recording.captures_of(stream)), None)
            if capture is None:
                continue
            found = [layer for layer in layers(recording, capture) if layer.gain > 0]
            large = heavy(found, recording, self.large)
            if result is TrainingState.FAILED and self._too_small(found):
                yield self._small(found, capture)
            elif (result is not TrainingState.LEARNING or idle(recording, large)) and self._too_large(
                recording, capture, large, len(found)
            ):
                yield self._large(recording, large, capture, result)
            elif found and found[-1].gain >= self.large and not as_good_as_critical(recording, capture):
                far = detour(recording, stream)
                if far and far[0] >= self.above:
                    told = self._far_off(capture, found[-1], *far)
                    yield told if far[0] >= self.beyond and far[1] >= self.wasted else told.at_most(Severity.NOTE)

    def _alike(self, recording: Recording, held: Parameter) -> bool:
        """True where units stay alike while they are being trained."""
        series = [row for step, row in recording.parameter_series(held.id, "twins") if step > 0]
        moved = [row for _, row in recording.parameter_series(held.id, "update_rms")]
        site = next((s for s in recording.sites.values() if s.parameter == held.name), None)
        looked_up = site is not None and site.kind is Kind.EMBEDDING
        matrix = len(held.shape) > 1 and held.shape[0] > 1 and not looked_up
        return matrix and len(series) >= 2 and min(series) >= self.twins and max(moved, default=0.0) > 0

    def _too_small(self, found: list[Layer]) -> bool:
        gains = [layer.gain for layer in found]
        return len(gains) > 1 and median(gains) < self.small and sum(min(0.0, log10(gain)) for gain in gains) < -3

    def _too_large(self, recording: Recording, capture: Capture, heavy: list[Layer], count: int) -> bool:
        losses = [loss for _, loss in recording.losses(capture.stream)]
        if not heavy or not all(map(isfinite, losses)):
            return False
        far, growth = detour(recording, capture.stream), forward_growth(recording, capture)
        absurd = far is not None and far[0] >= self.beyond
        many = len(heavy) >= 2 and 2 * len(heavy) >= count
        if growth is None:
            return absurd
        return (absurd and growth[0] > 0) or (many and growth[0] >= self.grown)

    def _zero(self, recording: Recording, zeros: list[Parameter]) -> Finding:
        text = "{parameter} starts at zero and gets a gradient of exactly zero: it can never move"
        why = "What its gradient is multiplied with is zero as well: {count} weight matrices wait for one another."
        return self._finding(
            Message(text, {"parameter": zeros[0].name}),
            Message(why, {"count": len(zeros)}),
            tuple(_place(recording, held) for held in zeros),
            {"zero_matrices": len(zeros)},
            Cure(Message("Start all but one of them with small random numbers"), "nn.init.normal_(weight, std=0.02)"),
            since=recording.parameter_series(zeros[0].id, "weight_rms")[0][0],
        )

    def _same(self, recording: Recording, alike: list[Parameter]) -> Finding:
        share = recording.parameter_series(alike[0].id, "twins")[-1][1]
        values = {"share": f"{share:.0%}", "parameter": alike[0].name}
        why = "They started with the same weights and get the same gradient, so they stay one unit."
        return self._finding(
            Message("{share} of the units of {parameter} are copies of another", values),
            Message(why),
            tuple(_place(recording, held) for held in alike),
            {"twins": share, "layers": len(alike)},
            Cure(Message("Break the symmetry: start with random weights"), HE),
            since=recording.parameter_series(alike[0].id, "twins")[0][0],
        )

    def _small(self, found: list[Layer], capture: Capture) -> Finding:
        found = sorted((layer for layer in found if layer.gain < self.small), key=lambda layer: layer.site.order)
        values = {"site": found[0].site.name, "gain": f"{median(x.gain for x in found):.1g}", "count": len(found)}
        return self._finding(
            Message("The weights of {count} layers, from {site} on, start far too small: their gain is {gain}", values),
            Message("A gain near one keeps a signal's size; here each layer takes most of it, forward and back."),
            tuple(layer.site.place for layer in found),
            {"gain": median(layer.gain for layer in found), "layers": len(found)},
            Cure(Message("Initialize the weights for their fan-in"), HE),
            since=capture.step,
        )

    def _large(self, recording: Recording, found: list[Layer], capture: Capture, result: TrainingState) -> Finding:
        growth = forward_growth(recording, capture)
        values = {"site": found[0].site.name, "gain": f"{median(x.gain for x in found):.2g}", "count": len(found)}
        told = self._finding(
            Message("The weights of {count} layers, from {site} on, start far too large: their gain is {gain}", values),
            Message(
                "A gain near one keeps a signal's size; here values grow by {decades} decades on their way.",
                {"decades": f"{growth[0] if growth else 0.0:.1f}"},
            ),
            tuple(layer.site.place for layer in found),
            {"gain": median(layer.gain for layer in found), "layers": len(found)},
            Cure(Message("Initialize the weights for their fan-in"), HE),
            since=capture.step,
        )
        return told if result is TrainingState.FAILED else told.at_most(Severity.WARNING)

    def _far_off(self, capture: Capture, last: Layer, times: float, share: float) -> Finding:
        values = {"times": f"{times:.2g}", "share": f"{share:.0%}", "site": last.site.name}
        told = self._finding(
            Message("The first loss is {times} times that of a guess: {site} starts far too large", values),
            Message("It took {share} of the run to unlearn that, before anything could be learned.", values),
            (last.site.place,),
            {"loss_over_guess": times, "share_of_run": share},
            Cure(Message("Start the output layer small"), "nn.init.normal_(output.weight, std=0.02)"),
            since=capture.step,
        )
        return told.at_most(Severity.WARNING)

    def _finding(
        self,
        message: Message,
        why: Message,
        places: tuple[Place, ...],
        evidence: dict[str, float],
        cure: Cure,
        since: int = 0,
    ) -> Finding:
        kept: dict[str, float | str] = dict(evidence)
        explains = (
            "vanishing-gradient",
            "exploding-gradient",
            "dead-relu",
            "learning-rate-too-low",
            "learning-rate-too-high",
            "loss-spike",
            "gradient-underflow",
        )
        return Finding(self.name, self.severity, message, why, places, since, kept, (cure,), 1, explains)


def _place(recording: Recording, held: Parameter) -> Place:
    """The parameter by its own name, with the line of the operation that uses it first."""
    used = sorted((s for s in recording.sites.values() if s.parameter == held.name), key=lambda site: site.order)
    if not used:
        return held.place
    return Place(held.name, "parameter", held.name, used[0].file, used[0].line)
