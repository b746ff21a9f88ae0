"""Zero gradient: an operation takes a gradient in and hands exactly nothing on."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.sensitivity import second_derivative, sensitivity
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, guessing, outcome
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Parameter, Place, Site
from gradmedic.recording.sketch import Drawn, parameter, site, sketch

STUCK = [2.30, 2.31] * 40
NEAR = 1.02
"""Times the loss of a guess up to which a network knows what a constant can know, and needs no gradient."""
FALLING = [2.3 * 0.95**i for i in range(80)]

OVER_ONE = ("softmax", "log_softmax", "layer_norm", "batch_norm", "group_norm", "rms_norm")
"""Operations that are constant where they are taken over a single entry."""

STEPS = ("round", "floor", "ceil", "trunc", "sign", "fix")
"""Operations that are flat everywhere but at their leaps."""


def _run(op: str, losses: list[float] | None = None, arrives: float = 0.0, before: str = "topk") -> Recording:
    layers = [
        site("gate", "linear", {"grad_norm": [arrives] * 4}, parameter="gate.weight"),
        site(before, before, {"grad_norm": [arrives] * 4}),
        site("cut", op, {"grad_norm": [0.3] * 4}),
        site("head", "linear", {"grad_norm": [0.2] * 4}, parameter="head.weight", tail=True),
    ]
    zero = {"weight_rms": [0.1] * 4, "grad_norm": [arrives] * 4, "grad_rms": [arrives / 64] * 4}
    held = {"weight_rms": [0.1] * 4, "grad_norm": [0.1] * 4, "grad_rms": [0.1 / 64] * 4}
    weights = [parameter("gate.weight", zero, shape=(64, 64)), parameter("head.weight", held, shape=(64, 64))]
    return sketch(layers, weights, losses=losses or STUCK)


def _insensitive(losses: list[float] | None = None, guess: float | None = None) -> Recording:
    """A loss with second derivatives of a ReLU, of which the rest has been learned."""
    told = {} if guess is None else {"loss": 49.0, "guess": guess}
    sites = [
        site("fc", "linear", parameter="fc.weight"),
        site("relu", "relu"),
        site("slope", "threshold"),
        site("loss", "mse_loss", told),
    ]
    held = {"weight_rms": [0.1] * 6, "grad_rms": [0.5, 0.1, 1e-3, 1e-9, 0.0, 0.0]}
    return sketch(sites, [parameter("fc.weight", held, shape=(64, 64))], losses=losses or [49.0, 49.1] * 40)


@dataclass(frozen=True)
class ZeroGradient(Rule):
    """
    ## What it finds
    Weights whose gradient is exactly zero at every look, and the operation at which it ends: a
    gradient arrives there, and none leaves. A softmax or a normalization over a single entry, a
    clamp that cuts everything off, rounding. And failing runs in which no weight can change the loss.

    ## Why it hurts
    The weights before it stay as they were initialized, or are moved by weight decay alone. Since a
    gradient is there, though it is zero, nothing fails and nothing warns.

    ## What causes it
    A softmax behind a top-1 selection, over the wrong dimension, or over one unit: it is always 1.
    A normalization of a single feature: it is always 0. A clamp whose range the values have left.
    `round()`, `floor()` or `sign()`, whose slope is zero everywhere. A loss with second derivatives of a
    ReLU network, which are zero.

    ## Example
    ```python
    top, index = self.gate(x).topk(1, dim=-1)
    weights = torch.softmax(top, dim=-1)  # over one entry: always 1
    ```

    ## Instead
    ```python
    weights, index = torch.softmax(self.gate(x), dim=-1).topk(1, dim=-1)
    ```
    Attention over a single token is constant as well; there it is the input that leaves no choice, and
    nothing is reported.

    ## References
    - Fedus, Zoph and Shazeer, [Switch transformers](https://arxiv.org/abs/2101.03961), 2021
    - Bengio, Léonard and Courville, [Estimating or propagating gradients through stochastic
      neurons](https://arxiv.org/abs/1308.3432), 2013
    """

    name: ClassVar[str] = "zero-gradient"
    severity: ClassVar[Severity] = Severity.CRITICAL

    fewest: int = 3
    """Looks that all have to show it."""

    nothing: float = 1e-6
    """Share of the loss by which moving every weight by its own size would change it, to first order: below it
    ordinary steps, of a thousandth of that, are beyond what float32 tells apart."""

    SICK: ClassVar = Drawn(
        lambda: [
            _insensitive(),
            _run("softmax"),
            _run("softmax", FALLING),
            _run("layer_norm"),
            _run("clamp"),
            _run("round"),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _run("softmax", arrives=0.1),
            _run("softmax", before="bmm"),  # attention over a single token
            _insensitive(guess=48.9),  # knows what a constant can know: another disease
            _insensitive(losses=FALLING),
            _run("mul"),  # multiplied by a weight that begins at zero
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        lost: dict[int, list[Parameter]] = {}
        for weights in sorted(recording.parameters.values(), key=lambda p: p.id):
            if self._is_zero(recording, weights) and (end := self._end(recording, weights)) is not None:
                lost.setdefault(end.id, []).append(weights)
        for at, group in lost.items():
            yield self._finding(recording, recording.sites[at], group)
        if not lost:
            yield from (found for stream in recording.streams if (found := self._constant(recording, stream)))

    def _constant(self, recording: Recording, stream: int) -> Finding | None:
        """A loss that fails far from a guess, and that no weight can change."""
        level = guessing(recording, stream)
        captures = recording.captures_of(stream)
        shares = [(at, sensitivity(recording, at)) for at in captures]
        still = list(takewhile(lambda pair: pair[1] is not None and pair[1] < self.nothing, reversed(shares)))
        last = captures[-1].loss if captures else None
        at_a_guess = level is not None and last is not None and last <= NEAR * level
        if len(still) < self.fewest or at_a_guess or outcome(recording, stream) is not TrainingState.FAILED:
            return None
        slope, since = second_derivative(recording, stream), still[-1][0]
        values = {
            "share": f"{self.nothing:g}",
            "loss": f"{last:.3g}",
            "site": slope.name if slope else "",
        }
        why = Message("The gradient of the whole network is next to nothing beside a loss of {loss}.", values)
        if slope is not None:
            why = Message(
                "The loss holds a derivative of the network, and the slope of a ReLU ({site}) is flat.", values
            )
        text = "No weight can change the loss: all of them moved by their own size change less than {share} of it"
        place = slope.place if slope else Place(recording.streams[stream].name, "loss")
        return Finding(
            self.name,
            self.severity,
            Message(text, values),
            why,
            (place,),
            since.step,
            {"change_of_loss": still[0][1] or 0.0, "loss": last or 0.0},
            (_SMOOTHER if slope else _LOOK,),
            rank=2,
        )

    def _is_zero(self, recording: Recording, weights: Parameter) -> bool:
        grads = [size for _, size in recording.parameter_series(weights.id, "grad_norm")]
        sizes = [size for _, size in recording.parameter_series(weights.id, "weight_rms")]
        trained = weights.requires_grad and weights.optimizer is not None and len(weights.shape) > 1
        return trained and len(grads) >= self.fewest and max(grads) == 0 and bool(sizes) and min(sizes) > 0

    def _end(self, recording: Recording, weights: Parameter) -> Site | None:
        """The first operation ahead at which a gradient arrives; None where it is not one that ends it by nature."""
        users = [s for s in recording.sites.values() if s.parameter == weights.name]
        waiting, seen = users, {s.id for s in users}
        while waiting:
            here = waiting.pop(0)
            sizes = [size for _, size in recording.site_series(here.id, "grad_norm")]
            if sizes and max(sizes) > 0:
                return here if here not in users and self._ends(recording, here) else None
            ahead = [s for s in recording.sites.values() if here.id in s.inputs and s.id not in seen]
            seen |= {s.id for s in ahead}
            waiting += ahead
        return None

    def _ends(self, recording: Recording, end: Site) -> bool:
        if end.op in OVER_ONE:
            return not _is_attention(recording, end)
        return end.op == "clamp" or end.op in STEPS

    def _finding(self, recording: Recording, end: Site, lost: list[Parameter]) -> Finding:
        learns = any(outcome(recording, stream) is not TrainingState.FAILED for stream in recording.streams)
        values = {
            "end": end.name,
            "op": end.op,
            "first": lost[0].name,
            "more": Message(" and {count} more", {"count": len(lost) - 1}) if len(lost) > 1 else "",
        }
        return Finding(
            self.name,
            Severity.WARNING if learns else self.severity,
            Message("The gradient of {first}{more} is exactly zero: {end} hands none on", values),
            _why(end.op),
            (end.place, lost[0].place),
            0,
            {"weights_without_gradient": float(len(lost)), "operation": end.op},
            (_cure(end.op),),
            rank=0,
            explains=CONSEQUENCES,
        )


CONSEQUENCES = ("vanishing-gradient", "learning-rate-too-low", "saturated-activation", "poor-initialization")
"""What weights look like that get no gradient."""


def _is_attention(recording: Recording, end: Site) -> bool:
    """True where a product of two signals is behind it: how many entries there are is the input's matter."""
    waiting, seen = list(end.inputs), set(end.inputs)
    while waiting:
        found = recording.sites.get(waiting.pop())
        if found is None or found.parameter is not None:
            continue
        if found.op in ("bmm", "matmul"):
            return True
        waiting += [i for i in found.inputs if i not in seen]
        seen |= set(found.inputs)
    return False


def _why(op: str) -> Message:
    values = {"op": op}
    if op in OVER_ONE:
        return Message("A {op} over a single entry is constant, whatever that entry is.", values)
    if op == "clamp":
        return Message("All values lie outside of the range of the {op}, where its slope is zero.", values)
    return Message("The slope of {op} is zero wherever it has one.", values)


def _cure(op: str) -> Cure:
    if op in OVER_ONE:
        return Cure(Message("Take the {op} over all entries, and select behind it", {"op": op}), _ALL)
    if op == "clamp":
        return Cure(Message("Bound the values by a function that has a slope everywhere"), _SMOOTH)
    return Cure(Message("Let the gradient pass as if nothing was rounded"), _STRAIGHT)


_SMOOTHER = Cure(Message("Use an activation with a second derivative"), "nn.Tanh()")
_LOOK = Cure(Message("Look between loss and weights for what is constant: a clamp, a rounding, a detach()"))
_ALL = "weights, index = torch.softmax(self.gate(x), dim=-1).topk(1, dim=-1)"
_SMOOTH = "y = low + (high - low) * torch.sigmoid(x)"
_STRAIGHT = "y = x + (x.round() - x).detach()"
