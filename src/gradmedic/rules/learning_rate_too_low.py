"""Learning rate too low: steps that are too small to get anywhere in the time that is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from gradmedic.finding import Cure, Finding, Message, Severity
from gradmedic.layers import layers, paces
from gradmedic.outcome import Outcome, outcome
from gradmedic.recording import Recording
from gradmedic.rules import Rule
from gradmedic.site import Place
from gradmedic.sketch import Columns, parameter, site, sketch

USUAL = 1e-3
"""Update size over weight size of a step in training that goes well."""


def _run(first: float, last: float, losses: list[float], grad: float = 0.01) -> Recording:
    """Two layers, which each step changes by `first` and `last` of their size."""
    held: list[Columns] = [
        {"weight_rms": 0.1, "grad_rms": grad, "update_rms": [0.1 * pace] * 4} for pace in (first, last)
    ]
    return sketch(
        [
            site("fc1", "linear", {"grad_norm": 0.1}, parameter="fc1.weight", fan_in=64),
            site("fc2", "linear", {"grad_norm": 0.1}, parameter="fc2.weight", fan_in=64, tail=True),
        ],
        [parameter(f"fc{at}.weight", numbers, shape=(64, 64)) for at, numbers in enumerate(held, 1)],
        losses=losses,
        lr=1e-6,
    )


@dataclass(frozen=True)
class LearningRateTooLow(Rule):
    """
    ## What it finds
    Runs that got nowhere although every layer has an ordinary gradient, because no step changes
    any weight matrix by more than a tiny share of its size.

    ## Why it hurts
    A weight that moves by a millionth of its size per step needs a million steps to become another
    weight. The run is not wrong, it only ends long before it has begun.

    ## What causes it
    A learning rate meant for another optimizer or for fine-tuning (1e-6 with Adam, 1e-5 with plain
    SGD), a schedule that multiplies the rate down within the first steps, or a loss that was
    divided by a large number under SGD.

    ## Example
    ```python
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6)
    ```

    ## Instead
    ```python
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## References
    - Bengio, [Practical recommendations for gradient-based training of deep
      architectures](https://arxiv.org/abs/1206.5533), 2012
    - Smith, [Cyclical Learning Rates for Training Neural Networks](https://arxiv.org/abs/1506.01186), 2017
    """

    name: ClassVar[str] = "learning-rate-too-low"
    severity: ClassVar[Severity] = Severity.CRITICAL

    pace: float = 1e-4
    """Update size over weight size of the fastest matrix under which nothing moves: a weight needs
    more than ten thousand steps to change by its own size. Slow runs were seen from 1e-6 to 3e-5,
    healthy ones that had not yet converged from 8e-4."""

    pull: float = 1e-5
    """Gradient rms over weight rms of the typical matrix that counts as a gradient: below it the
    gradient has vanished, and a learning rate would have to be absurd to make up for it."""

    SICK: ClassVar = [
        _run(1e-5, 3e-5, [2.30, 2.31] * 40),
        _run(1e-6, 4e-6, [2.31 - 0.0005 * i for i in range(80)]),  # falls, but by far too little
    ]
    HEALTHY: ClassVar = [
        _run(1e-5, 3e-5, [2.3 * 0.97**i for i in range(80)]),  # slow steps that suffice
        _run(1e-7, 1e-3, [2.31] * 80),  # the last layer moves: another disease
        _run(1e-5, 3e-5, [2.31] * 80, grad=1e-12),  # there is no gradient to speak of
    ]

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            if outcome(recording, stream) is not Outcome.FAILED:
                continue
            told = [
                (max(found.values()), median(found.values()))
                for capture in recording.captures_of(stream)
                if (found := paces(recording, capture))
            ]
            fastest = median(top for top, _ in told) if told else 0.0
            if (
                0 < fastest < self.pace
                and max(top for top, _ in told) < 10 * self.pace
                and self._has_gradient(recording, stream)
            ):
                yield self._finding(recording, stream, fastest, median(middle for _, middle in told))

    def _has_gradient(self, recording: Recording, stream: int) -> bool:
        first = next(iter(recording.captures_of(stream)), None)
        pulls = [layer.pull for layer in layers(recording, first)] if first else []
        return not pulls or median(pulls) >= self.pull

    def _finding(self, recording: Recording, stream: int, fastest: float, typical: float) -> Finding:
        rates = [vital.lr for vital in recording.vitals if vital.stream == stream and vital.lr]
        rate = median(rates) if rates else None
        factor = USUAL / typical if typical > 0 else USUAL / fastest
        values = {"pace": f"{typical:.1g}", "rate": f"{rate:.2g}" if rate else "?", "steps": f"{1 / fastest:.0g}"}
        evidence: dict[str, float | str] = {"update_over_weight": typical, "suggested_factor": round(factor, 1)}
        if rate:
            evidence["learning_rate"] = rate
        return Finding(
            self.name,
            self.severity,
            Message("The learning rate of {rate} is too low: a step is {pace} of the weights' size", values),
            Message("Even the fastest layer would need {steps} steps to change by its own size.", values),
            (Place("learning rate", "optimizer"),),
            recording.captures_of(stream)[0].step,
            evidence,
            (_raise(rate, factor),),
            rank=2,
        )


def _raise(rate: float | None, factor: float) -> Cure:
    text = "Raise the learning rate about {factor} times: a thousandth of the weights per step is usual"
    better = rate * factor if rate else None
    code = f'for group in optimizer.param_groups:\n    group["lr"] = {better:.1g}' if better else ""
    return Cure(Message(text, {"factor": f"{factor:.0f}"}), code)
