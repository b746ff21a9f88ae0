"""Learning rate too high: steps that are too large for the weights that they change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.accumulation import divide, undivided_passes
from gradmedic.diagnosis.features.divergence import grew_before
from gradmedic.diagnosis.features.layers import layers, typical_paces
from gradmedic.diagnosis.features.slower_rate import USUAL, lower, rate_at
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.loss_progress import progress
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Event, Recording, Vital
from gradmedic.recording.site import Kind, Place, Site
from gradmedic.recording.sketch import Columns, Drawn, parameter, site, sketch

NAN = float("nan")


def _run(pace: list[float], losses: list[float], grad: float = 0.01, lr: float = 5.0) -> Recording:
    """One hidden layer that each step changes by `pace` of its size."""
    held: Columns = {"weight_rms": 0.1, "grad_rms": grad, "update_rms": [0.1 * p for p in pace]}
    return sketch(
        [site("fc1", "linear", parameter="fc1.weight", fan_in=64), site("fc2", "linear", tail=True)],
        [parameter("fc1.weight", held, shape=(64, 64))],
        losses=losses,
        lr=lr,
    )


def _summed(drawn: Recording, passes: int) -> Recording:
    """The same with many backward passes before each step, whose losses nothing divides."""
    end = Site(2, "loss", Kind.LOSS, "mse_loss", order=2, tail=True)
    tallies = Event("tallies", 9, {"steps": 100, "backwards": 100 * passes})
    return replace(drawn, sites={**drawn.sites, 2: end}, events=[tallies])


def _schedule(losses: list[float], factor: float) -> Recording:
    """A learning rate that is multiplied by a factor every step."""
    drawn = _run([0.01] * 3, losses)
    vitals = [vital._replace(lr=0.01 * factor**at) for at, vital in enumerate(drawn.vitals)]
    return replace(drawn, vitals=vitals)


@dataclass(frozen=True)
class LearningRateTooHigh(Rule):
    """
    ## What it finds
    Runs that diverge, or hover at a level they should long have left, while step after step changes
    the weights by a large share of their own size although the gradient itself is ordinary; one step
    that replaced the weights, after which the loss leapt; and schedules that raise the learning rate
    until training falls apart.

    ## Why it hurts
    A step is only good as far as the gradient holds. A step of a tenth of the weights lands
    somewhere else, where the gradient is larger, and the next step is larger still: the loss
    climbs to infinity. Where something bounds it (Adam, a saturating activation), the weights wander.

    ## What causes it
    A learning rate meant for another optimizer: 0.1 is ordinary for SGD and far too high for Adam.
    A schedule with a factor above one, or a warm-up without an end. Without momentum 0.001 to 0.01
    of the weights per step is usual.

    ## Example
    ```python
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    ```

    ## Instead
    ```python
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)
    ```

    ## References
    - Bengio, [Practical recommendations for gradient-based training of deep
      architectures](https://arxiv.org/abs/1206.5533), 2012
    - Cohen et al., [Gradient Descent on Neural Networks Typically Occurs at the Edge of
      Stability](https://arxiv.org/abs/2103.00065), 2021
    """

    name: ClassVar[str] = "learning-rate-too-high"
    severity: ClassVar[Severity] = Severity.CRITICAL

    pace: float = 0.1
    """Update size over weight size of the median matrix from which a step is too large. Single
    steps like this occur in networks that learn; here it has to happen again and again."""

    times: int = 2
    """How many captures have to show it."""

    replaced: float = 1.0
    """The same of one step that is enough if the loss leaps behind it: the weights are others then."""

    leap: float = 3.0
    """Times by which the loss leaps then: less is what a first step of normalized networks may cost."""

    pull: float = 10.0
    """Gradient rms over weight rms up to which the gradient was ordinary when training began;
    above it the gradient is what is too large."""

    raised: float = 10.0
    """How much larger than where the loss was best a schedule's learning rate has become."""

    SICK: ClassVar = Drawn(
        lambda: [
            _run([30.0, 100.0, 4.0], [1.5, 9e3, 1e9, 1e20, *[NAN] * 20], lr=30.0),
            _run([1.2, 0.8, 0.5, 0.4, 0.3], [2.3] + [4.0, 6.0] * 30, lr=0.5),
            _summed(_run([1.2, 0.8, 0.5, 0.4, 0.3], [2.3] + [4.0, 6.0] * 30, lr=0.5), 8),
            _run([120.0, 0.05, 0.06, 0.05, 0.0], [13.0, 680.0, 3500.0, 590.0] + [400.0, 300.0, 200.0] * 20, lr=1.0),
            _schedule([2.3 * 0.9**i for i in range(30)] + [0.5 * 1.3**i for i in range(30)], 1.2),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _run([2.4, 0.3, 0.07, 0.02, 0.01], [5.0 * 0.93**i for i in range(60)], lr=0.5),  # BatchNorm: high but fine
            _run([0.01] * 5, [2.3] * 60, lr=1e-3),  # stuck for another reason
            _run([1.5, 0.01, 0.01], [2.3, 2.6, 2.4] + [2.3] * 60, lr=1e-3),  # a large first step that does no harm
            _run([50.0, 40.0], [2e6, 5e6, 9e7, 3e9, *[NAN] * 10], grad=900.0),  # the gradient is at fault
            _schedule([2.3 * 0.95**i for i in range(60)], 1.1),  # warms up, and learns
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            vitals = [vital for vital in recording.vitals if vital.stream == stream]
            if (found := self._by_schedule(vitals)) is not None:
                yield found
            elif self._diverged(recording, stream) and self._ordinary(recording, stream):
                large = [(step, pace) for step, pace in self._paces(recording, stream) if pace >= self.pace]
                enough = len(large) >= self._needed(recording, stream)
                if enough or (large := self._destructive(recording, stream)):
                    found = self._by_size(recording, stream, large, USUAL if enough else self.pace)
                    # A loss that lies still at the level of a guess is that of a network that a step has killed.
                    yield found if self._lies_still(recording, stream) else _and_the_dead(found)

    def _diverged(self, recording: Recording, stream: int) -> bool:
        """True where the run failed, unless it was one operation that ended it out of the blue."""
        bad = [step for step, loss in recording.losses(stream) if not isfinite(loss)]
        failed = outcome(recording, stream) is TrainingState.FAILED
        return failed and (not bad or grew_before(recording, bad[0]).exploded)

    def _destructive(self, recording: Recording, stream: int) -> list[tuple[int, float]]:
        """The steps that replaced the typical weights by something else, after which the loss leapt: one is enough."""
        losses = recording.losses(stream)
        large = [(step, pace) for step, pace in self._paces(recording, stream) if pace >= self.replaced]
        return [(step, pace) for step, pace in large if self._leaps(losses, step)]

    def _leaps(self, losses: Sequence[tuple[int, float]], step: int) -> bool:
        before = [loss for at, loss in losses if at <= step and isfinite(loss)]
        after = [loss for at, loss in losses if step < at <= step + 3]
        usual = median(before[-5:]) if before else 0.0
        return bool(after) and usual > 0 and not median(after) <= self.leap * usual  # NaN leaps too

    def _lies_still(self, recording: Recording, stream: int) -> bool:
        losses = recording.losses(stream)
        last = progress(losses).last
        return last is not None and isfinite(losses[-1][1]) and abs(last) < 1.2 * abs(losses[0][1])

    def _needed(self, recording: Recording, stream: int) -> int:
        """Two captures, or the only one where the loss was infinite before there could be a second."""
        return min(self.times, max(1, len(self._paces(recording, stream))))

    def _paces(self, recording: Recording, stream: int) -> list[tuple[int, float]]:
        ends = [step for step, loss in recording.losses(stream) if not isfinite(loss)]
        return [(step, pace) for step, pace in typical_paces(recording, stream) if not ends or step < min(ends)]

    def _ordinary(self, recording: Recording, stream: int) -> bool:
        """True where the gradient was of an ordinary size beside the weights before the first step."""
        first = next(iter(recording.captures_of(stream)), None)
        pulls = [layer.pull for layer in layers(recording, first)] if first else []
        return not pulls or median(pulls) < self.pull

    def _by_schedule(self, vitals: list[Vital]) -> Finding | None:
        told = [v for v in vitals if v.loss is not None and v.lr]
        finite = [v.loss for v in told if v.loss is not None and isfinite(v.loss)]
        if len(finite) < 20:
            return None
        width = max(3, len(told) // 20)
        windows = [told[at : at + width] for at in range(0, len(told) - width + 1, width)]
        levels = [median(abs(v.loss or 0.0) if isfinite(v.loss or 0.0) else 1e300 for v in w) for w in windows]
        best = min(range(len(levels)), key=levels.__getitem__)
        rate, end = windows[best][-1].lr or 0.0, told[-1].lr or 0.0
        spoiled = levels[-1] > 3 * levels[best] and levels[-1] > 0.5 * levels[0]
        if rate <= 0 or end < self.raised * rate or not spoiled:
            return None
        values = {"start": f"{rate:.2g}", "end": f"{end:.2g}", "step": windows[best][-1].step}
        return _and_the_dead(
            self._finding(
                Message("The schedule raises the learning rate to {end}, and training falls apart", values),
                Message("The loss was best at step {step}, with a learning rate of {start}.", values),
                windows[best][-1].step,
                {"learning_rate_best": rate, "learning_rate_last": end},
                (Cure(Message("Let the schedule lower the rate: a factor below one")), lower(rate)),
            )
        )

    def _by_size(self, recording: Recording, stream: int, large: list[tuple[int, float]], aim: float) -> Finding:
        """`aim` is the share of the weights that the proposed rate makes of such a step."""
        pace = median(share for _, share in large)
        rate = rate_at(recording, stream, next(step for step, share in large if share >= pace))
        values = {"pace": f"{min(pace, 1e6):.0%}", "rate": f"{rate:.2g}" if rate else ""}
        known = "The learning rate of {rate} is too high: a step is {pace} of the weights' size"
        unknown = "The learning rate is too high: a step is {pace} of the weights' size"
        evidence = {"update_over_weight": pace, "captures": float(len(large))}
        evidence |= {"learning_rate": rate} if rate else {}
        why = Message("The gradient was ordinary when training began; about 0.1 % to 1 % per step is usual.")
        cures: tuple[Cure, ...] = (lower(rate * aim / pace) if rate else lower(None), _warm_up())
        if (passes := undivided_passes(recording, stream)) > 1:
            evidence["passes_per_step"] = passes
            why = Message("Each step adds up the gradients of {passes} passes, undivided.", {"passes": passes})
            cures = (divide(passes), *cures)
        return self._finding(Message(known if rate else unknown, values), why, large[0][0], evidence, cures)

    def _finding(
        self, message: Message, why: Message, since: int, evidence: dict[str, float], cures: tuple[Cure, ...]
    ) -> Finding:
        kept: dict[str, float | str] = dict(evidence)
        explains = (
            "non-finite",
            "loss-spike",
            "exploding-gradient",
            "saturated-activation",
            "gradient-underflow",
        )
        places = (Place("learning rate", "optimizer"),)
        return Finding(self.name, self.severity, message, why, places, since, kept, cures, 2, explains)


def _and_the_dead(found: Finding) -> Finding:
    """The same finding, which explains dead layers too."""
    return replace(found, explains=(*found.explains, "dead-relu"))


def _warm_up() -> Cure:
    code = "scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=500)"
    return Cure(Message("Warm it up over the first steps"), code)
