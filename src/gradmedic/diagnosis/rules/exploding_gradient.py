"""Exploding gradient: it grows over depth, over time, over training, or is too large for any step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.depth_profile import forward_growth, longest, shares, slope
from gradmedic.diagnosis.features.divergence import left_behind, sizes_by_step, target_drift
from gradmedic.diagnosis.features.explosion_cures import bound_cures, deep_cures, recurrent_cures, scale_cures
from gradmedic.diagnosis.features.layers import Layer, layers, sound, typical_paces
from gradmedic.diagnosis.features.time_profile import waves
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, climb_by_step, late_climb, outcome
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Place
from gradmedic.recording.sketch import Columns, Drawn, parameter, site, sketch

NAN = float("nan")

ORDINARY_RATE = 0.01
"""A learning rate of plain SGD that most networks bear."""


def _chain(factor: float, losses: list[float], update: float = 0.01, grad: float = 0.01) -> Recording:
    """A chain of layers in which each multiplies the gradient by `factor` on its way back."""
    sites, parameters = [], []
    for at in range(8):
        size = grad * factor ** (7 - at)
        numbers: Columns = {"grad_norm": [size] * 2, "value_rms": 1.0}
        sites.append(site(f"fc{at}", "linear", numbers, parameter=f"fc{at}.weight", fan_in=64))
        held: Columns = {"grad_rms": [size] * 2, "weight_rms": 0.2, "update_rms": update}
        parameters.append(parameter(f"fc{at}.weight", held, shape=(64, 64)))
    return sketch(sites, parameters, losses=losses, lr=0.01)


def _runaway(growth: float, losses: list[float]) -> Recording:
    """A critic without bounds: gradient and score grow together over the steps."""
    grads = [0.01 * growth ** (i / 10) for i in range(11)]
    return sketch(
        [site("fc", "linear", {"grad_norm": [0.1] * 11}, parameter="fc.weight", fan_in=64)],
        [parameter("fc.weight", {"grad_rms": grads, "weight_rms": 0.1, "update_rms": 0.003}, shape=(64, 64))],
        losses=losses,
        lr=0.004,
    )


def _returns(targets: list[float]) -> Recording:
    """A value network whose targets grow, and their squares with them."""
    losses = [0.1 * target**2 for target in targets]
    ends: Columns = {"target_min": 0.0, "target_max": targets}
    return sketch(
        [site("fc", "linear", {"grad_norm": 0.1}, parameter="fc.weight", fan_in=64), site("loss", "mse_loss", ends)],
        [parameter("fc.weight", {"grad_rms": targets, "weight_rms": 0.1, "update_rms": 0.003}, shape=(64, 64))],
        losses=losses,
        lr=0.004,
    )


@dataclass(frozen=True)
class ExplodingGradient(Rule):
    """
    ## What it finds
    Gradients that grow a thousandfold from the output to the first layers (over depth) or from the
    last time step to the first (over time); activations that do the same on the way forward;
    gradients that grow without end over the steps of training; and gradients so large beside the
    weights from the start that any ordinary learning rate throws the weights away. Always in a
    run that does not learn: normalization and Adam make the mere size of gradients harmless.

    ## Why it hurts
    One step moves the weights by many times their own size; the loss jumps, soon to infinity, and
    what was learned or initialized is gone. Layers that get a thousand times more gradient than
    others leave no learning rate that suits both.

    ## What causes it
    Over depth and time: weights whose gain is more than the activation's slope takes away, again
    and again; activations that are steeper than a line (exp, powers). From the start: targets,
    rewards or inputs in raw units under a squared error, or a loss that is summed instead of
    averaged. Over the steps: an objective without a lower bound, such as a Wasserstein critic
    without a Lipschitz constraint.

    ## Example
    ```python
    rnn = nn.RNN(2, 64, nonlinearity="relu", batch_first=True)
    nn.init.orthogonal_(rnn.weight_hh_l0, gain=2.0)  # doubles the gradient 50 times
    ```

    ## Instead
    ```python
    rnn = nn.RNN(2, 64, nonlinearity="relu", batch_first=True)
    nn.init.eye_(rnn.weight_hh_l0)
    torch.nn.utils.clip_grad_norm_(rnn.parameters(), max_norm=1.0)  # before each step
    ```
    Raw targets: train on `(y - y.mean()) / y.std()` and scale predictions back.

    ## References
    - Pascanu et al., [On the difficulty of training recurrent neural
      networks](https://arxiv.org/abs/1211.5063), 2013
    - Hanin, [Which Neural Net Architectures Give Rise to Exploding and Vanishing
      Gradients?](https://arxiv.org/abs/1801.03744), 2018
    """

    name: ClassVar[str] = "exploding-gradient"
    severity: ClassVar[Severity] = Severity.CRITICAL

    decades: float = 3.0
    """Growth over depth or time, in decades, that is found: BatchNorm nets without shortcuts reach
    one or two at ordinary depths, and learn."""

    pull: float = 10.0
    """Gradient rms over weight rms from which even a learning rate of 0.01 moves the weights by a
    tenth of their size per step."""

    overshoot: float = 0.1
    """Share of its own size by which the first step has to have changed such weights where the run
    fails; where the loss fell all the same, a hundred times that."""

    absurd: float = 1e3
    """Gradient rms over weight rms that no learning rate in use could make up for."""

    runaway: float = 1.5
    """Decades by which the size of the loss has to grow over the steps, with the gradient."""

    dragged: float = 0.5
    """Decades by which the gradient has to grow with it."""

    lasting: float = 0.08
    """Decades by which the loss still has to grow from the third quarter of the run to the last: a straight
    line makes log10(7 / 5) = 0.15, what has found its level none."""

    SICK: ClassVar = Drawn(
        lambda: [
            _chain(4.0, [2.5, 40.0, 9e5, 3e9, NAN, NAN, NAN, NAN, NAN]),  # over depth
            _chain(1.0, [2e6, 5e6, 9e7, 3e9, NAN, NAN, NAN, NAN, NAN], update=7.0, grad=900.0),  # raw units
            _runaway(200.0, [-0.2 * 1.02**i for i in range(400)]),  # no lower bound
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _chain(4.0, [2.5 * 0.95**i for i in range(60)]),  # grows, and learns
            _chain(1.0, [9e4 * 0.95**i for i in range(60)], grad=900.0),  # raw units, Adam
            _chain(1.0, [2.3] * 60),  # stuck for another reason
            _chain(1.0, [2.3, 40.0, 9e5, 3e9, NAN, NAN, NAN], update=4.8, grad=2.4),  # a rate of 2 is to blame
            _runaway(3.0, [0.7, 0.9] * 60),  # a contest in balance
            _runaway(
                10.0, [13 - 12.9 * 0.95**i for i in range(400)]
            ),  # a value loss that grows with the returns, and ends
            _returns([0.1 + 0.1 * i for i in range(101)]),
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            result = outcome(recording, stream)
            if result is TrainingState.LEARNING:
                continue
            failed = result is TrainingState.FAILED
            ways = (self._over_time, self._over_depth, self._forward) if failed else ()
            for way in (*ways, self._at_once, self._over_steps):
                found = way(recording, stream)
                if found is not None:
                    yield found
                    break

    def _over_time(self, recording: Recording, stream: int) -> Finding | None:
        for capture in recording.captures_of(stream)[:3]:
            for wave in waves(recording, capture):
                if wave.decades < self.decades or wave.steady < 0.6:
                    continue
                values = {"site": wave.site.name, "steps": wave.steps, "times": f"{10**wave.decades:.1g}"}
                text = "The gradient explodes through time in {site}: {times} times larger after {steps} steps back"
                why = Message("Each step back multiplies it by {factor}.", {"factor": f"{10**wave.per_step:.2f}"})
                evidence = {
                    "decades": round(wave.decades, 2),
                    "decades_per_step": round(wave.per_step, 3),
                    "time_steps": wave.steps + 1,
                }
                places = (wave.site.place,)
                return self._finding(Message(text, values), why, places, capture, evidence, recurrent_cures())
        return None

    def _over_depth(self, recording: Recording, stream: int) -> Finding | None:
        capture = next((c for c in recording.captures_of(stream)[:1] if sound(c)), None)
        found = slope(recording, capture, fewest=3) if capture else None
        if capture is None or found is None or found.arriving < self.decades:
            return None
        values = {"first": found.layers[0].site.name, "times": f"{10**found.arriving:.1g}"}
        text = "The gradient explodes over depth: at {first} it is {times} times larger than near the output"
        evidence = {"decades": round(found.arriving, 2), "decades_per_layer": round(found.per_layer, 3)}
        places = tuple(layer.site.place for layer in found.first)
        return self._finding(Message(text, values), _booked(capture), places, capture, evidence, deep_cures())

    def _forward(self, recording: Recording, stream: int) -> Finding | None:
        capture = next(iter(recording.captures_of(stream)), None)
        growth = capture and forward_growth(recording, capture)
        if capture is None or not growth or growth[0] < self.decades:
            return None
        decades, place = growth
        values = {"site": place.name, "times": f"{10**decades:.1g}"}
        text = "Activations explode over depth: at {site} they are {times} times larger than what went in"
        why = Message("What grows on the way forward makes gradients as large on the way back.")
        evidence = {"decades_forward": round(decades, 2)}
        return self._finding(Message(text, values), why, (place,), capture, evidence, deep_cures())

    def _at_once(self, recording: Recording, stream: int) -> Finding | None:
        """Gradients that were too large beside the weights when training began, and a step that took them."""
        capture = next(iter(recording.captures_of(stream)), None)
        found = layers(recording, capture) if capture else []
        limit = self.overshoot * (1 if outcome(recording, stream) is TrainingState.FAILED else 100)
        thrown = [layer for layer in found if (layer.pace or 0) >= limit and self._is_to_blame(layer)]
        if capture is None or not thrown or len(thrown) * 3 < len(found):
            return None
        thrown.sort(key=lambda layer: -(layer.pace or 0))
        worst, pace = thrown[0], thrown[0].pace or 0.0
        values = {"site": worst.site.name, "pull": f"{worst.pull:.1g}", "pace": f"{pace:.1g}"}
        text = "The gradient is too large for any step: at {site} it is {pull} times the weights from the start"
        why = Message("The first step changed these weights by {pace} times their own size.", values)
        evidence = {"grad_over_weight": worst.pull, "update_over_weight": pace}
        places = tuple(layer.site.place for layer in thrown)
        told = self._finding(Message(text, values), why, places, capture, evidence, scale_cures())
        # Layers that such a step kills are its victims; under an ordinary gradient the dead come first.
        return replace(told, explains=(*told.explains, "dead-relu")) if worst.pull >= self.absurd else told

    def _is_to_blame(self, layer: Layer) -> bool:
        """Whether the gradient is further from what is ordinary than the rate: from 1, and from 0.01."""
        rate = (layer.pace or 0) / layer.pull if layer.pull else 0.0
        return layer.pull >= max(self.pull, rate / ORDINARY_RATE)

    def _over_steps(self, recording: Recording, stream: int) -> Finding | None:
        if not self._ordinary_paces(recording, stream):
            return None
        grown, risen = climb_by_step(sizes_by_step(recording, stream)), climb_by_step(recording.losses(stream))
        if grown < self.dragged or risen < self.runaway or self._ended(recording, stream, risen):
            return None
        values = {"grown": f"{10**grown:.3g}", "risen": f"{10**risen:.3g}"}
        text = (
            "The gradient explodes over the steps: it has grown {grown} times, and the size of the loss {risen} times"
        )
        why = Message("Gradient and loss feed each other's growth: nothing bounds this objective.")
        evidence = {"decades_of_gradient": round(grown, 2), "decades_of_loss": round(risen, 2)}
        found = layers(recording, recording.captures_of(stream)[-1])
        place = max(found, key=lambda layer: layer.grad).site.place if found else Place("loss", "loss")
        first = recording.captures_of(stream)[0]
        told = self._finding(Message(text, values), why, (place,), first, evidence, bound_cures(), rank=2)
        return replace(told, since_step=left_behind(recording.losses(stream)))

    def _ended(self, recording: Recording, stream: int, risen: float) -> bool:
        """True where the growth is over, or is no more than that of the targets: their square, and ever slower."""
        late = late_climb(recording.losses(stream))
        if late < self.lasting:
            return True
        explained = risen - 2 * target_drift(recording, stream) < self.runaway
        return explained and late < risen / 6  # exponential growth makes a third of it in each quarter

    def _ordinary_paces(self, recording: Recording, stream: int) -> bool:
        """True unless the steps themselves are so large that the learning rate explains the growth."""
        told = [pace for _, pace in typical_paces(recording, stream)]
        rates = [v.lr for v in recording.vitals if v.stream == stream and v.lr]
        return (not told or median(told) < 0.1) and (not rates or rates[-1] <= 3 * rates[0])

    def _finding(
        self,
        message: Message,
        why: Message,
        places: Sequence[Place],
        capture: Capture,
        evidence: dict[str, float],
        cures: tuple[Cure, ...],
        rank: int = 1,
    ) -> Finding:
        explains = ("non-finite", "learning-rate-too-high", "loss-spike", "saturated-activation", "vanishing-gradient")
        kept: dict[str, float | str] = dict(evidence)
        return Finding(self.name, self.severity, message, why, tuple(places), capture.step, kept, cures, rank, explains)


def _booked(capture: Capture) -> Message:
    booked = shares(capture)
    if booked is None:
        return Message("Each layer passes on more than it gets.")
    text = "On the way back weights changed its size by {weights} decades and activations by {activations}."
    values = {"activations": f"{booked[0]:+.1f}", "weights": f"{booked[1]:+.1f}"}
    ledger = longest(capture)
    rest = (ledger.total - ledger.by_kind().get(Kind.LOSS, 0.0) - sum(booked)) if ledger else 0.0
    if rest > max(1.0, *booked):
        text = (
            "On the way back weights changed its size by {weights} decades, activations by {activations},"
            " and what is neither (sums, products) by {rest}."
        )
        values["rest"] = f"{rest:+.1f}"
    return Message(text, values)
