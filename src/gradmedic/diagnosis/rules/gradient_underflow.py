"""Gradient underflow: the gradient is there, but too small for the numbers it is kept in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Capture, Recording
from gradmedic.recording.site import Kind, Place, Site
from gradmedic.recording.sketch import Drawn, DrawnSite, parameter, site, sketch

SMALLEST = {"float16": 2.0**-24, "float8_e5m2": 2.0**-16, "float8_e4m3fn": 2.0**-9}
"""The smallest positive number of each type. bfloat16 is not here: it goes as low as float32."""

RANDOM = {Kind.POOLING, Kind.DROPOUT, Kind.SHAPE}
"""What is behind such an operation makes zeros that no forward value explains."""


def _layers(zeros: list[float], rms: float, dtype: str = "float16") -> list[DrawnSite]:
    return [
        site(f"fc{at}", "linear", {"grad_zero": [zero] * 3, "grad_rms": rms}, dtype=dtype)
        for at, zero in enumerate(zeros)
    ]


def _coarse(lr: float) -> Recording:
    numbers = {"clipped_rms": [1e-3] * 3, "update_rms": [0.0] * 3}
    return sketch([], [parameter("fc.weight", numbers, dtype="bfloat16")], losses=[2.3] * 3, lr=lr)


@dataclass(frozen=True)
class GradientUnderflow(Rule):
    """
    ## What it finds
    Gradients in float16 that turn into exact zeros on their way back, more of them from layer to
    layer; a GradScaler that keeps skipping steps; weights in reduced precision that are too coarse
    for the steps they are given.

    ## Why it hurts
    What is below 6e-8 is zero in float16, and stays zero for every layer before. A step that is
    smaller than the spacing of the weights' numbers (1/256 of their size in bfloat16, 1/2048 in
    float16) is rounded away whole: the run looks alive and learns nothing.

    ## What causes it
    Training in float16 without scaling the loss. Losses that are averaged over many elements, so
    that each gets a tiny gradient. `model.half()` or `model.bfloat16()`, which leave the
    optimizer no float32 weights to add small steps to.

    ## Example
    ```python
    with torch.autocast("cuda", dtype=torch.float16):
        loss = loss_fn(model(x), y)
    loss.backward()
    optimizer.step()
    ```

    ## Instead
    ```python
    with torch.autocast("cuda", dtype=torch.float16):
        loss = loss_fn(model(x), y)
    scaler.scale(loss).backward()  # scaler = torch.amp.GradScaler("cuda")
    scaler.step(optimizer)
    scaler.update()
    ```

    ## References
    - Micikevicius et al., [Mixed Precision Training](https://arxiv.org/abs/1710.03740), 2018
    - Kalamkar et al., [A Study of BFLOAT16 for Deep Learning Training](https://arxiv.org/abs/1905.12322), 2019
    """

    name: ClassVar[str] = "gradient-underflow"
    severity: ClassVar[Severity] = Severity.CRITICAL

    zeros: float = 0.5
    """Share of a gradient that is zero without reason, from which most of it is lost."""

    more: float = 0.3
    """How much larger that share is than nearer to the loss: zeros that were there from the start, as
    those of padding, did not underflow."""

    near: float = 100.0
    """What is left of the gradient lies within this factor of the smallest number: gradients spread
    over about two decades, so only then can half of them be below it."""

    skipped: float = 0.2
    """Share of the later steps that a GradScaler may skip; once settled it skips one in 2000."""

    SICK: ClassVar = Drawn(
        lambda: [
            sketch(_layers([0.99, 0.9, 0.5, 0.0], 1e-7), losses=[2.3] * 30),
            _coarse(lr=1e-5),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            sketch(_layers([0.99, 0.9, 0.5, 0.0], 1e-7, "float32")),  # zeros, but not for want of precision
            sketch(_layers([0.99, 0.9, 0.5, 0.0], 1e-3)),  # what is left is large
            sketch(_layers([0.9, 0.9, 0.9, 0.9], 1e-7)),  # padding
            sketch(
                [_layers([0.9], 1e-7)[0], site("act", "relu", {"value_zero": 0.9}, dtype="float16")]
            ),  # silent units
            _coarse(lr=0.0),  # a warm-up that has not begun
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            yield from self._flushed(recording, stream)
            yield from self._skipping(recording, stream)
        yield from self._rounded(recording)

    def _flushed(self, recording: Recording, stream: int) -> Iterator[Finding]:
        captures = [c for c in recording.captures_of(stream) if c.loss is None or isfinite(c.loss)]
        found = [(at, lost) for at in captures if (lost := self._lost(recording, at))]
        if not found or len(found) < len(captures) / 2:
            return
        lost = found[0][1]
        last = max(lost, key=lambda s: s.order)
        worst = found[0][0].sites[lost[0].id]["grad_zero"]
        values = {"zero": f"{worst:.0%}", "first": lost[0].name, "last": last.name, "dtype": last.dtype}
        text = "The gradient underflows {dtype}: from {last} back to {first} up to {zero} of it is exactly zero"
        why = "The smallest number that {dtype} holds is {least}; what is smaller becomes zero and stays so."
        yield Finding(
            self.name,
            self._severity(recording, stream),
            Message(text, values),
            Message(why, {**values, "least": f"{SMALLEST[last.dtype]:.1g}"}),
            (last.place, *(one.place for one in lost if one is not last)),
            found[0][0].step,
            {"grad_zero": worst, "sites": len(lost)},
            (SCALE, BFLOAT),
            rank=1,
            explains=CONSEQUENCES,
        )

    def _lost(self, recording: Recording, capture: Capture) -> list[Site]:
        """The operations in reduced precision most of whose gradient is lost, from the first one on.

        What underflows stays lost on the way back, so that the first operations lose most.
        """
        flow = [site for site in recording.in_order(capture.stream) if "grad_zero" in capture.sites.get(site.id, {})]
        told = [(site, zero) for site in flow if (zero := _unexplained(recording, capture, site)) is not None]
        lost = []
        for at, (one, zero) in enumerate(told):
            nearer = min((later for _, later in told[at + 1 :]), default=zero)
            if one.dtype not in SMALLEST:
                continue
            if zero < self.zeros or zero - nearer < self.more or not self._tiny(recording, capture, one):
                break
            lost.append(one)
        return lost

    def _tiny(self, recording: Recording, capture: Capture, one: Site) -> bool:
        row = capture.sites[one.id]
        alive = 1 - row["grad_zero"]
        left = row.get("grad_rms", 0.0) / sqrt(alive) if alive > 0 else 0.0
        return left * _scale(recording, capture) <= self.near * SMALLEST[one.dtype]

    def _skipping(self, recording: Recording, stream: int) -> Iterator[Finding]:
        scaled = [vital for vital in recording.vitals if vital.stream == stream and vital.scale is not None]
        later = scaled[len(scaled) // 2 :]
        share = sum(vital.skipped for vital in later) / max(1, len(later))
        if len(later) < 10 or share < self.skipped:
            return
        scale = later[-1].scale or 0.0
        yield Finding(
            self.name,
            self._severity(recording, stream),
            Message("GradScaler skipped {share} of the later steps", {"share": f"{share:.0%}"}),
            Message("Even at a scale of {scale} the gradients hold inf or NaN.", {"scale": f"{scale:.3g}"}),
            (Place("GradScaler", "optimizer"),),
            next(vital.step for vital in later if vital.skipped),
            {"skipped_share": share, "scale": scale},
            (BFLOAT,),
            rank=1,
            explains=CONSEQUENCES,
        )

    def _rounded(self, recording: Recording) -> Iterator[Finding]:
        """Weights that no step has moved, although there were gradients and a learning rate."""
        if any(vital.lr == 0 for vital in recording.vitals):
            return
        coarse = [p for p in recording.parameters.values() if p.dtype in ("float16", "bfloat16")]
        rows = {p.id: [c.parameters[p.id] for c in recording.captures if _stepped(c, p.id)] for p in coarse}
        still = [p for p in coarse if rows[p.id] and all(row["update_rms"] == 0 for row in rows[p.id])]
        if not still or len(still) < len(coarse) / 2:
            return
        values = {"first": still[0].name, "dtype": still[0].dtype}
        yield Finding(
            self.name,
            self.severity,
            Message("No step has moved {first}: it is kept in {dtype}, which is too coarse", values),
            Message("A step smaller than the spacing of {dtype} at the weight's size is rounded away.", values),
            tuple(p.place for p in still),
            0,
            {"parameters": len(still), "clipped_rms": median(row["clipped_rms"] for row in rows[still[0].id])},
            (MASTER,),
            rank=1,
            explains=CONSEQUENCES,
        )

    def _severity(self, recording: Recording, stream: int) -> Severity:
        return self.severity if outcome(recording, stream) is TrainingState.FAILED else Severity.WARNING


def _unexplained(recording: Recording, capture: Capture, one: Site) -> float | None:
    """The share of zeros in a gradient, of what the activation behind it has let through."""
    users = [user for user in recording.in_order(capture.stream) if one.id in user.inputs]
    if any(user.kind in RANDOM for user in users):
        return None
    masked = max((capture.sites.get(u.id, {}).get("value_zero", 0.0) for u in users), default=0.0)
    zero = capture.sites[one.id]["grad_zero"]
    return max(0.0, zero - masked) / (1 - masked) if masked < 1 else None


def _stepped(capture: Capture, parameter: int) -> bool:
    row: Mapping[str, float] = capture.parameters.get(parameter, {})
    return row.get("clipped_rms", 0.0) > 0 and "update_rms" in row


def _scale(recording: Recording, capture: Capture) -> float:
    same = (v for v in recording.vitals if (v.step, v.stream) == (capture.step, capture.stream) and v.scale)
    return next((vital.scale or 1.0 for vital in same), 1.0)


CONSEQUENCES = ("vanishing-gradient", "vanishing-through-time", "learning-rate-too-low", "dead-relu")
"""What a network looks like whose gradient is rounded to zero."""

SCALE = Cure(
    Message("Scale the loss so that small gradients stay above the smallest number"),
    'scaler = torch.amp.GradScaler("cuda")\nscaler.scale(loss).backward()\nscaler.step(optimizer)\nscaler.update()',
)
BFLOAT = Cure(
    Message("Use bfloat16, which has the range of float32 and needs no scaling"),
    'with torch.autocast("cuda", dtype=torch.bfloat16):\n    loss = loss_fn(model(x), y)',
)
MASTER = Cure(
    Message("Keep the weights in float32 and let autocast choose the type of each operation"),
    'model.float()\nwith torch.autocast("cuda", dtype=torch.bfloat16):\n    loss = loss_fn(model(x), y)',
)
