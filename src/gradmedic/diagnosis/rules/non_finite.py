"""Non-finite values: inf or NaN, and the operation that made the first of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from pathlib import PurePath
from typing import Any, ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.divergence import UPDATE, RunGrowth, grew_before
from gradmedic.diagnosis.features.nonfinite_causes import NonFiniteCause, origin
from gradmedic.diagnosis.features.nonfinite_suspects import suspected, suspects, unread
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import left_out
from gradmedic.recording.records import Event, Recording
from gradmedic.recording.site import Place
from gradmedic.recording.sketch import Drawn, site, sketch


def _born(op: str, step: int = 3, **data: Any) -> Event:
    return Event("non-finite", step, {"phase": "forward", "op": op, "name": op, "file": "train.py", "line": 17, **data})


AFTERMATH = (
    "dead-relu",
    "saturated-activation",
    "vanishing-gradient",
    "vanishing-through-time",
    "gradient-underflow",
    "learning-rate-too-low",
    "loss-spike",
)
"""What a network looks like once its loss is inf or its weights are NaN."""


BEYOND = 1e4
"""An operand of exp that is larger has exploded before: exp leaves float32 at 88.7, which is two decades less."""


@dataclass(frozen=True)
class NonFinite(Rule):
    """
    ## What it finds
    The first operation, forward or backward, whose operands are finite and whose result is inf or
    NaN, at the very step at which that happens. If the loss, the gradient or the values had been
    growing by decades before, this is only how the explosion ended, and it is said so.

    ## Why it hurts
    One NaN in the loss makes every gradient NaN, and one optimizer step writes it into every
    weight: nothing that comes later can be right. An infinite loss may pass back a gradient of
    exactly zero instead; the run then goes on and learns nothing.

    ## What causes it
    A function outside of its domain: the log of a probability that underflowed to 0, the log or
    root of a negative number, a division by 0. A slope that is infinite where the value is fine:
    the root or the norm of exactly 0. A number that does not fit: exp of 89 in float32, anything
    above 65504 in float16. A row of attention in which every position is masked. Or the data: a
    NaN in the input batch.

    ## Example
    ```python
    probability = torch.softmax(logits, dim=1)
    loss = -(onehot * torch.log(probability)).sum(1).mean()  # 0 * log(0) is NaN
    ```

    ## Instead
    ```python
    loss = -(onehot * torch.log_softmax(logits, dim=1)).sum(1).mean()
    ```

    ## References
    - Blanchard, Higham and Higham, [Accurately Computing the Log-Sum-Exp and Softmax
      Functions](https://doi.org/10.1093/imanum/draa038), 2021
    - Zhang et al., [Detecting Numerical Bugs in Neural Network
      Architectures](https://doi.org/10.1145/3368089.3409720), 2020
    """

    name: ClassVar[str] = "non-finite"
    severity: ClassVar[Severity] = Severity.CRITICAL

    lasting: float = 0.01
    """Share of non-finite steps from which a run that went on is sick: a loop that leaves out a bad
    batch once in a hundred steps has coped with it."""

    SICK: ClassVar = Drawn(
        lambda: [
            sketch(losses=[2.3, 2.1, 1.8, nan, nan], events=[_born("log", operand_min=0.0, operand_max=1.0)]),
            sketch(
                losses=[230.0, 220.0, 215.0, inf, inf], events=[_born("mean", dtype="float16", operand_max=65500.0)]
            ),
            sketch(losses=[0.7, 50.0, 4e4, nan], events=[_born("matmul", operand_max=3e19)]),  # the end of an explosion
            sketch(losses=[4e15, 5.9, inf], events=[_born("exp", 2, operand_min=-440.0, operand_max=162.0)]),
            sketch(losses=[0.7, 0.6, 0.5, 0.4], events=[_born("nan", 4, phase="parameter", parameter="fc.weight")]),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            sketch(losses=[2.3, 2.1, 1.8]),
            sketch([site("act", "exp", {"value_max": 1e30})], losses=[2.3, 2.1, 1.8]),  # large, but finite
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        told = [event for event in recording.events_of("non-finite") if not left_out(recording, event)]
        if told:
            first = min(told, key=lambda event: event.step)
            yield self._finding(recording, first, grew_before(recording, first.step))

    def _finding(self, recording: Recording, event: Event, growth: RunGrowth) -> Finding:
        cause, place = origin(recording, event), _place(recording, event)
        if unread(recording, event):
            able = suspects(recording, int(event.data.get("stream", 0)))
            cause = suspected(able, str(event.data.get("parameter") or "a parameter"))
            place = able[0].place if able else place
        outgrown = _by_its_own(event, growth)
        by_itself = outgrown or event.data.get("phase") == "input" or not growth.exploded
        return Finding(
            self.name,
            self._severity(recording, event),
            _headline(event, cause, place),
            cause.why if by_itself else Message("It had been coming: {signs}.", {"signs": _signs(growth)}),
            (place,),
            event.step,
            _evidence(event) | growth.signs,
            cause.cures if by_itself else _slow_down(),
            rank=0 if by_itself else 2,
            explains=(*AFTERMATH, *(("exploding-gradient",) if outgrown else ())) if by_itself else (),
        )

    def _severity(self, recording: Recording, event: Event) -> Severity:
        after = [vital for vital in recording.vitals if vital.step >= event.step]
        bad = [not (isfinite(v.loss or 0.0) and isfinite(v.grad_norm or 0.0)) for v in after]
        lost = any(bad[-3:]) or _ruined(recording, event.step)
        if not after or event.data.get("phase") == "parameter" or lost:
            return self.severity
        return Severity.WARNING if sum(bad) >= self.lasting * len(bad) and sum(bad) > 1 else Severity.NOTE


def _by_its_own(event: Event, growth: RunGrowth) -> bool:
    """True where exp itself made what had grown: of an operand that no explosion had reached, under ordinary steps."""
    ends = [event.data.get(end) for end in ("operand_min", "operand_max")]
    size = max((abs(end) for end in ends if isinstance(end, int | float)), default=inf)
    return event.data.get("op") in ("exp", "expm1") and size < BEYOND and growth.update < UPDATE


def _ruined(recording: Recording, since: int) -> bool:
    """True where the last capture found weights that are not finite any more: such a size is not recorded."""
    *before, last = [capture.parameters for capture in recording.captures] or [{}]
    known = {p for rows in before for p, row in rows.items() if "weight_rms" in row}
    late = bool(recording.captures) and recording.captures[-1].step > since
    return late and any(
        row.get("grad_bad", 0.0) > 0 and "weight_rms" not in row for p, row in last.items() if p in known
    )


def _headline(event: Event, cause: NonFiniteCause, place: Place) -> Message:
    line = f"{PurePath(place.file).name}:{place.line}" if place.file else ""
    values = {"step": event.step, "made": cause.made, "name": place.name, "at": line}
    if not line:
        return Message("The first non-finite value came at step {step}: {made} ({name})", values)
    return Message("The first non-finite value came at step {step}: {made} ({name}, {at})", values)


def _place(recording: Recording, event: Event) -> Place:
    data = event.data
    found = recording.sites.get(data.get("site", -1))
    if found is not None:
        # Where a number did not fit, what it had to fit into belongs to the place.
        return replace(found.place, name=f"{found.name} ({found.dtype})") if "16" in found.dtype else found.place
    name = str(data.get("parameter") or data.get("name") or data.get("op") or "input")
    phase = str(data.get("phase"))
    return Place(
        name,
        phase if phase in ("input", "parameter") else "",
        data.get("parameter"),
        data.get("file"),
        data.get("line"),
    )


def _evidence(event: Event) -> dict[str, float | str]:
    known: Mapping[str, Any] = event.data
    columns = ("phase", "op", "operand_min", "operand_max", "operand_zero", "dtype", "reason")
    return {name: value for name in columns if isinstance(value := known.get(name), float | int | str)}


def _signs(growth: RunGrowth) -> Message:
    """The strongest sign of an explosion in words."""
    name, number = max(growth.signs.items(), key=lambda sign: sign[1])
    texts = {
        "loss_decades": "the loss had grown by {number} decades",
        "gradient_decades": "the gradient had grown by {number} decades",
        "forward_decades": "the values grow by {number} decades over the depth",
        "backward_decades": "the gradient grows by {number} decades on its way back",
        "operand_decades": "the operands had reached 1e{number}",
        "update_over_weight": "one step changed the weights by {number} times their size",
    }
    return Message(texts[name], {"number": f"{number:.2g}"})


def _slow_down() -> tuple[Cure, ...]:
    clip = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
    return (
        Cure(
            Message("Cure what made the numbers grow: the learning rate, the initialization, or the scale of the data")
        ),
        Cure(Message("Until then keep single steps from destroying the weights"), clip),
    )
