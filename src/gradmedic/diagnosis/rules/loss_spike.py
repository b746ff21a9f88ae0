"""Loss spike: the loss leaps far above its own noise, and comes back or does not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Place
from gradmedic.recording.sketch import Drawn, sketch

Curve = Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Spike:
    """One leap: from `start` to before `end` (positions in the curve), to `times` the usual loss."""

    start: int
    end: int
    times: float
    recovered: bool


def _wavy(steps: int, level: float = 1.0) -> list[float]:
    """A loss with the noise of small batches, a fifth of its size."""
    return [level * (1 + 0.2 * ((7 * step) % 5 - 2) / 2) for step in range(steps)]


def _with(losses: list[float], *at: int, times: float = 30.0, length: int = 1) -> list[float]:
    return [loss * times if any(s <= step < s + length for s in at) else loss for step, loss in enumerate(losses)]


@dataclass(frozen=True)
class LossSpike(Rule):
    """
    ## What it finds
    Losses that leap far above what they had been just before, measured by their own noise, and do
    so again and again, or do not come back. A single leap that the run got over is only noted.

    ## Why it hurts
    A leap throws away what was learned before it; each costs as many steps as the loss needs to
    come back. Where it does not, the step has put the weights where the gradient is flat or wild.

    ## What causes it
    Most often a learning rate near the edge of what the loss surface bears, without clipping.
    Adam's memory of squared gradients, a thousand steps long, lets the first large gradient after a
    quiet time through nearly unchecked. A bad batch: mislabeled, empty or unscaled samples.

    ## Example
    ```python
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    loss.backward()
    optimizer.step()
    ```

    ## Instead
    ```python
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    ```

    ## References
    - Wortsman et al., [Stable and low-precision training for large-scale vision-language
      models](https://arxiv.org/abs/2304.13013), 2023
    - Takase et al., [Spike No More: Stabilizing the Pre-training of Large Language
      Models](https://arxiv.org/abs/2312.16903), 2023
    """

    name: ClassVar[str] = "loss-spike"
    severity: ClassVar[Severity] = Severity.WARNING

    window: int = 20
    """Losses before a step that tell what is usual there; fewer make a poor median deviation."""

    noise: float = 8.0
    """Robust standard deviations of the logarithm of the loss that a leap has to measure: losses have
    heavy tails, and eight of them are rare even there."""

    least: float = 3.0
    """How many times the usual loss a leap has to reach: a smaller one undoes little."""

    matters: float = 0.25
    """Share of the loss of the beginning that a leap has to reach: from 0.02 to 0.1, where training
    began at 2.3, undoes nothing."""

    often: int = 3
    """Leaps from which they are a habit; one or two may be a bad batch."""

    SICK: ClassVar = Drawn(
        lambda: [
            sketch(losses=_with(_wavy(120), 30, 60, 90)),
            sketch(losses=_with(_wavy(80), 50, length=30)),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            sketch(losses=_wavy(120)),
            sketch(losses=_with(_wavy(120), 50, times=1.8)),
            sketch(losses=[0.0 if step % 3 else 0.5 for step in range(120)]),  # triplets: most of them cost nothing
            sketch(losses=[(-1) ** step * 0.3 for step in range(120)]),  # no scale: a policy gradient
            sketch(losses=[2.0 ** ((13 * step) % 9) for step in range(120)]),  # wild, but always
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            curve = [(step, loss) for step, loss in recording.losses(stream) if isfinite(loss)]
            spikes = list(self._spikes(curve))
            if spikes:
                yield self._finding(recording, stream, curve, spikes)

    def _spikes(self, curve: Curve) -> Iterator[Spike]:
        # Only a positive loss has a logarithm, and a size that it can be a multiple of.
        if any(loss <= 0 for _, loss in curve):
            return
        sizes = [log(loss) for _, loss in curve]
        start, at = median(sizes[: self.window]) if sizes else 0.0, self.window
        while at < len(sizes):
            before = sizes[at - self.window : at]
            usual = median(before)
            limit = usual + max(log(self.least), self.noise * 1.4826 * median(abs(x - usual) for x in before))
            limit = max(limit, start + log(self.matters))
            if sizes[at] <= limit:
                at += 1
                continue
            end = next((i for i in range(at, len(sizes)) if median(sizes[i : i + 3]) <= limit), len(sizes))
            end = max(end, at + 1)
            # What leaps with the last few losses may still come back.
            if end < len(sizes) or end - at >= self.window // 2:
                yield Spike(at, end, exp(max(sizes[at:end]) - usual), end < len(sizes))
            # What is usual has to be learned anew from the losses behind the leap.
            at = end + self.window

    def _finding(self, recording: Recording, stream: int, curve: Curve, spikes: Sequence[Spike]) -> Finding:
        first, largest = spikes[0], max(spikes, key=lambda spike: spike.times)
        values = {"count": len(spikes), "times": f"{largest.times:.3g}", "step": curve[largest.start][0]}
        text = "The loss leapt {count} times, at step {step} to {times} times what it had been"
        if len(spikes) == 1:
            text = "The loss leapt to {times} times what it had been at step {step}"
        lasted = sum(spike.end - spike.start for spike in spikes)
        why = "It came back each time; {lasted} steps were lost in all."
        if not spikes[-1].recovered:
            why = "It did not come back: {lasted} steps were lost in all."
        place = recording.streams[stream]
        return Finding(
            self.name,
            self._severity(recording, stream, spikes),
            Message(text, values),
            Message(why, {"lasted": lasted}),
            (Place(place.name, "loss", None, place.file, place.line),),
            curve[first.start][0],
            {"spikes": len(spikes), "largest": largest.times, "steps": lasted},
            (CLIP, SLOWER, FORGET),
            rank=2,
        )

    def _severity(self, recording: Recording, stream: int, spikes: Sequence[Spike]) -> Severity:
        harmful = len(spikes) >= self.often or not spikes[-1].recovered
        failed = outcome(recording, stream) is TrainingState.FAILED
        return self.severity if harmful and failed else Severity.NOTE


CLIP = Cure(
    Message("Limit the gradient before the step"),
    "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
)
SLOWER = Cure(
    Message("Lower the learning rate, and reach it by a warm-up"),
    "warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)",
)
FORGET = Cure(
    Message("Shorten Adam's memory of squared gradients"),
    "optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95))",
)
