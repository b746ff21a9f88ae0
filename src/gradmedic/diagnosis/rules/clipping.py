"""Clipping at the wrong moment: of gradients that are not there, are used already, or carry a scaler's factor."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Place
from gradmedic.recording.sketch import Drawn, sketch

STUCK = [2.30, 2.31] * 40
FALLING = [2.3 * 0.95**i for i in range(80)]


def _run(losses: list[float], idle: int = 0, scaled: int = 0, bites: int = 0, limit: float = 1e-5) -> Recording:
    told = {"steps": 80, "clip_calls": 80, "clip_bites": bites, "clip_idle": idle, "clip_scaled": scaled}
    drawn = sketch(losses=losses, grad_norms=[0.5] * 80, events=[Event("tallies", 80, told)])
    for at, vital in enumerate(drawn.vitals):
        drawn.vitals[at] = vital._replace(max_norm=limit)  # type: ignore[index]
    return drawn


@dataclass(frozen=True)
class Clipping(Rule):
    """
    ## What it finds
    Calls of `clip_grad_norm_` that do not do what they are for: before the backward pass or behind
    the step, where there is nothing to clip; or before `scaler.unscale_`, where the gradient is
    thousands of times larger than it is, and the limit as many times too small.

    ## Why it hurts
    Clipping that clips nothing lets the first large gradient through. Clipping of scaled gradients
    takes away all but a tiny share of each, so that the network stands still.

    ## What causes it
    Lines in another order than the one that is needed. With a `GradScaler`, gradients carry its
    factor until `unscale_` or `step` takes it out.

    ## Example
    ```python
    scaler.scale(loss).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    ```

    ## Instead
    ```python
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    ```

    ## References
    - PyTorch, [Automatic mixed precision examples: gradient clipping](https://docs.pytorch.org/docs/stable/notes/amp_examples.html#gradient-clipping)
    - Pascanu, Mikolov and Bengio, [On the difficulty of training recurrent neural
      networks](https://arxiv.org/abs/1211.5063), 2013
    """

    name: ClassVar[str] = "clipping"
    severity: ClassVar[Severity] = Severity.CRITICAL

    most: float = 0.9
    """Share of the calls that are made at the wrong moment from which it is the loop that is wrong."""

    fewest: int = 3
    """Calls below which nothing is said."""

    SICK: ClassVar = Drawn(
        lambda: [
            _run(STUCK, idle=80),
            _run(STUCK, scaled=80, bites=80),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _run(STUCK, bites=80, limit=1.0),
            _run(STUCK, idle=4),  # before the first backward pass of each epoch
            _run(STUCK, scaled=80, bites=2),  # the limit was meant for scaled gradients
            sketch(losses=STUCK),
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        calls, idle, scaled, bites = (
            float(recording.tallies.get(f"clip_{what}", 0.0)) for what in ("calls", "idle", "scaled", "bites")
        )
        if calls < self.fewest:
            return
        if idle >= self.most * calls:
            yield self._idle(recording, idle)
        elif scaled >= self.most * calls and bites >= self.most * calls:
            yield self._scaled(recording, scaled)

    def _idle(self, recording: Recording, idle: float) -> Finding:
        text = "Clipping clips nothing: {calls} calls met no gradient that was still to be used"
        why = "clip_grad_norm_ stands before the backward pass or behind the step: every gradient passes unclipped."
        cure = Cure(Message("Clip between the backward pass and the step"), _ORDER)
        evidence: dict[str, float | str] = {"clip_idle": idle}
        return self._finding(recording, Message(text, {"calls": f"{idle:.0f}"}), why, evidence, cure)

    def _scaled(self, recording: Recording, scaled: float) -> Finding:
        told = [(v.grad_norm, v.max_norm) for v in recording.vitals if v.grad_norm and v.max_norm]
        share = median(limit / size for size, limit in told) if told else None
        text = "Gradients are clipped before scaler.unscale_: the limit is {factor} times too small"
        scales = [v.scale for v in recording.vitals if v.scale]
        factor = f"{median(scales):.0f}" if scales else "65536"
        evidence: dict[str, float | str] = {"clip_scaled": scaled}
        if share is not None:
            evidence["share_left"] = share
        why = "The gradients still carry the scaler's factor, and nearly every one is cut down by it."
        cure = Cure(Message("Unscale the gradients before they are clipped"), _UNSCALE)
        return self._finding(recording, Message(text, {"factor": factor}), why, evidence, cure)

    def _finding(
        self, recording: Recording, message: Message, why: str, evidence: dict[str, float | str], cure: Cure
    ) -> Finding:
        outcomes = {outcome(recording, stream) for stream in recording.streams}
        severity = self.severity if TrainingState.FAILED in outcomes else Severity.WARNING
        if TrainingState.LEARNING in outcomes or TrainingState.SETTLED in outcomes:
            severity = Severity.NOTE
        places = (Place("clip_grad_norm_", "optimizer"),)
        return Finding(
            self.name, severity, message, Message(why), places, 0, evidence, (cure,), rank=0, explains=CONSEQUENCES
        )


CONSEQUENCES = (
    "learning-rate-too-low",
    "learning-rate-too-high",
    "exploding-gradient",
    "loss-spike",
    "saturated-activation",
    "dead-relu",
    "non-finite",
)
"""What a step does that is far smaller or larger than was meant."""

_ORDER = "loss.backward()\ntorch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\noptimizer.step()"
_UNSCALE = (
    "scaler.scale(loss).backward()\nscaler.unscale_(optimizer)\n"
    "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\nscaler.step(optimizer)"
)
