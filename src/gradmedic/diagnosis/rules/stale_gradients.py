"""Stale gradients: nobody zeroes them, so every step moves along the sum of all steps before."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Place
from gradmedic.recording.sketch import Drawn, sketch


def _run(losses: list[float], stale: int, steps: int, **data: Any) -> Recording:
    events = [Event("stale-gradients", 1, {"optimizer": 0, "file": "train.py", "line": 31, **data})] if stale else []
    return sketch(losses=losses, events=[*events, Event("tallies", steps, {"steps": steps, "stale_steps": stale})])


@dataclass(frozen=True)
class StaleGradients(Rule):
    """
    ## What it finds
    Optimizer steps on gradients that still hold what an earlier step has already used, because
    nobody zeroed them in between.

    ## Why it hurts
    `backward()` adds to `.grad`. Without zeroing, the step follows the sum of the gradients of all
    batches so far: momentum that never decays. Steps grow with time and keep pushing in
    directions that were right long ago, and the loss swings ever wider or runs away.

    ## What causes it
    A missing `zero_grad()`, one that is called on another optimizer or once per epoch only, or
    parameters that this optimizer steps but the call does not reach.

    ## Example
    ```python
    for x, y in loader:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    ```

    ## Instead
    ```python
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    ```
    To add up several batches on purpose, zero right after each step, and step once per sum.

    ## References
    - PyTorch, [Zeroing out gradients](https://docs.pytorch.org/tutorials/recipes/recipes/zeroing_out_gradients.html)
    """

    name: ClassVar[str] = "stale-gradients"
    severity: ClassVar[Severity] = Severity.CRITICAL

    most: float = 0.5
    """Share of stale steps from which the loop itself is wrong: it leaves out zeroing more often than
    not."""

    some: float = 0.05
    """Share of stale steps up to which they change little: a leftover once per epoch of twenty steps."""

    SICK: ClassVar = Drawn(
        lambda: [
            _run([2.3] * 20, 199, 200),
            _run([2.3 * 0.9**i for i in range(30)], 199, 200),
            _run([2.3] * 20, 20, 100),
        ]
    )
    HEALTHY: ClassVar = Drawn(lambda: [_run([2.3] * 20, 0, 200)])

    def check(self, recording: Recording) -> Iterator[Finding]:
        told = recording.events_of("stale-gradients")
        if told:
            stale = float(recording.tallies.get("stale_steps", len(told)))
            share = stale / max(float(recording.tallies.get("steps", stale)), stale)
            yield self._finding(recording, told[0], stale, share)

    def _finding(self, recording: Recording, first: Event, stale: float, share: float) -> Finding:
        place = _place(recording, first)
        by_hand = place.kind != "optimizer"
        values = {"optimizer": Message("The update by hand") if by_hand else place.name, "share": f"{share:.0%}"}
        return Finding(
            self.name,
            self._severity(recording, share),
            Message("{optimizer} made {share} of its steps on gradients that nobody had zeroed", values),
            Message("backward() adds to the gradients, so each step repeats those of all batches before."),
            (place,),
            first.step,
            {"stale_share": share, "stale_steps": stale},
            (Cure(Message("Zero the gradients before each backward pass"), _BY_HAND if by_hand else _LOOP),),
            rank=0,
            explains=CONSEQUENCES,
        )

    def _severity(self, recording: Recording, share: float) -> Severity:
        if share <= self.some:
            return Severity.NOTE
        learns = any(outcome(recording, stream) is TrainingState.LEARNING for stream in recording.streams)
        return self.severity if share >= self.most and not learns else Severity.WARNING


CONSEQUENCES = (
    "exploding-gradient",
    "learning-rate-too-high",
    "saturated-activation",
    "dead-relu",
    "loss-spike",
    "non-finite",
)
"""What steps do that grow with time."""

_BY_HAND = "for p in parameters:\n    p.grad = None\nloss.backward()"
_LOOP = "optimizer.zero_grad()\nloss.backward()\noptimizer.step()"


def _place(recording: Recording, event: Event) -> Place:
    told, file, line = (event.data.get(key) for key in ("optimizer", "file", "line"))
    if told is None:
        return Place("update", "parameter", None, file, line)
    held = recording.optimizers.get(told) if isinstance(told, int) else None
    if held is None:
        return Place(str(told), "optimizer", None, file, line)
    moved = sorted(p.name for p in recording.parameters.values() if p.optimizer == held.id)
    if len(recording.optimizers) < 2 or not moved:
        return Place(held.name, "optimizer", None, file, line)
    # Several may have one name: what it moves tells which.
    owner = moved[0].rpartition(".")[0] or moved[0]
    return Place(f"{held.name}({owner}{', …' if len(moved) > 1 else ''})", "optimizer", moved[0], file, line)
