"""Learning rate too low: steps that are too small to get anywhere in the time that is given."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.layers import layers, paces
from gradmedic.diagnosis.features.schedule_shape import RateSchedule, schedule
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.loss_progress import FEWEST, progress
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Optimizer, Recording
from gradmedic.recording.site import Place
from gradmedic.recording.sketch import Columns, Drawn, parameter, site, sketch

USUAL = 1e-3
"""Update size over weight size of a step in training that goes well."""
EPS = "optimizer = torch.optim.{name}(model.parameters(), lr={rate:g}, eps={eps:g})"
EACH = "for x, y in loader:\n    ...\n    optimizer.step()\n    scheduler.step()"
SLOWLY = "for epoch in range(epochs):\n    train(loader)\n    scheduler.step()  # not inside of the loop over batches"


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


def _schedule(losses: list[float], factor: float) -> Recording:
    """A learning rate that is multiplied by a factor every step."""
    drawn = _run(1e-3, 1e-3, losses)
    vitals = [vital._replace(lr=0.05 * factor**at) for at, vital in enumerate(drawn.vitals)]
    return replace(drawn, vitals=vitals)


def _stairs(losses: list[float], *rates: float) -> Recording:
    """A schedule that stands still for a part of the run at each of its rates."""
    made = Optimizer(0, "AdamW", {"lr": 5e-4})
    length = -(-len(losses) // len(rates))
    drawn = sketch(losses=losses, optimizers=[made])
    return replace(drawn, vitals=[v._replace(lr=rates[at // length]) for at, v in enumerate(drawn.vitals)])


@dataclass(frozen=True)
class LearningRateTooLow(Rule):
    """
    ## What it finds
    Runs that got nowhere although every layer has an ordinary gradient, because no step changes
    any weight matrix by more than a tiny share of its size; schedules that take the rate away before
    anything was learned; and warm-ups that have not arrived when the run ends.

    ## Why it hurts
    A weight that moves by a millionth of its size per step needs a million steps to become another
    weight. The run is not wrong, it only ends long before it has begun.

    ## What causes it
    A learning rate meant for another optimizer or for fine-tuning (1e-6 with Adam, 1e-5 with plain
    SGD), a schedule that multiplies the rate down within the first steps, or a loss that was
    divided by a large number under SGD. An `eps` of Adam that is larger than the gradient. A warm-up
    that is counted in batches and stepped once an epoch: the rate is 0, or next to it, for most of
    the run.

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

    dwarfs: float = 10.0
    """Times the gradient's size from which Adam's `eps` takes nine tenths of each step, however large it still is."""

    pull: float = 1e-5
    """Gradient rms over weight rms of the typical matrix that counts as a gradient: below it the
    gradient has vanished, and a learning rate would have to be absurd to make up for it."""

    arrived: float = 0.5
    """Share of the rate that the optimizer was made with; a warm-up that ends the run below it has not arrived."""

    idle: float = 0.1
    """Share of the run with a rate of 0 from which a warm-up that learns in the end is a fault: most warm-ups
    as a whole are shorter."""

    faded: float = 1e-3
    """Share of its highest value under which a scheduled rate counts as taken away."""

    SICK: ClassVar = Drawn(
        lambda: [
            _schedule([2.30, 2.31] * 100, 0.9),
            _run(1e-5, 3e-5, [2.30, 2.31] * 40),
            _run(1e-6, 4e-6, [2.31 - 0.0005 * i for i in range(80)]),  # falls, but by far too little
            _stairs(
                [2.3 - 0.001 * i for i in range(600)], 0.0, 8e-6, 1.6e-5, 2.4e-5, 3.2e-5, 4e-5
            ),  # stepped by epochs
            _stairs([2.3] * 60, 0.0),
            replace(
                _run(1e-4, 4e-3, [2.30, 2.31] * 40), optimizers={0: Optimizer(0, "Adam", {"lr": 1e-1, "eps": 1.0})}
            ),
            replace(
                _run(1e-5, 3e-5, [2.30, 2.31] * 40), optimizers={0: Optimizer(0, "Adam", {"lr": 1e-3, "eps": 0.1})}
            ),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _schedule([2.3 * 0.95**i for i in range(60)] + [0.1] * 140, 0.9),  # fades when there is nothing left
            _run(1e-5, 3e-5, [2.3 * 0.97**i for i in range(80)]),  # slow steps that suffice
            _stairs(
                [2.3 - 0.001 * i for i in range(600)], *(5e-6 * at for at in range(101))
            ),  # one step at 0, and arrives
            _stairs([2.3 - 0.01 * i for i in range(200)], 0.0, 8e-6, 1.6e-5, 4e-6),  # a range that it was meant to have
            _run(1e-7, 1e-3, [2.31] * 80),  # the last layer moves: another disease
            _run(1e-5, 3e-5, [2.31] * 80, grad=1e-12),  # there is no gradient to speak of
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            result = outcome(recording, stream)
            if (rising := self._unfinished(recording, stream, result)) is not None:
                yield rising
            elif self._frozen(recording, stream, result):
                yield self._by_schedule(recording, stream)
            elif result is TrainingState.FAILED and self._has_gradient(recording, stream):
                told = [found.values() for c in recording.captures_of(stream) if (found := paces(recording, c))]
                tops = [max(found) for found in told]
                slow = bool(tops) and 0 < median(tops) < self.pace and max(tops) < 10 * self.pace
                if slow or (tops and self._outweighed(recording, stream, self.dwarfs)):
                    yield self._by_size(recording, stream, median(tops), median(median(found) for found in told))

    def _frozen(self, recording: Recording, stream: int, result: TrainingState) -> bool:
        """True where a schedule took the rate away for most of the run, before anything was learned.

        Schedules that end near zero do so late, when there is little left to learn.
        """
        rates = [rate for _, rate in schedule(recording, stream).rates]
        top = max(rates, default=0.0)
        after = rates[rates.index(top) :] if rates else []
        gone = sum(rate < self.faded * top for rate in after) / len(rates) if rates else 0.0
        if result is TrainingState.SETTLED:
            return gone >= 0.8 and progress(recording.losses(stream)).fell < 0.5
        return result is TrainingState.FAILED and gone >= 0.5

    def _unfinished(self, recording: Recording, stream: int, result: TrainingState) -> Finding | None:
        """A warm-up that has not arrived when the run ends, or a rate that never was anything but 0."""
        shape = schedule(recording, stream)
        if shape.idle and not shape.top:
            return self._never(shape)
        never = shape.asked is not None and shape.top < self.arrived * shape.asked
        if not shape.rises or not never or shape.steps < FEWEST:
            return None
        values = {"top": f"{shape.top:.2g}", "asked": f"{shape.asked:.2g}", "idle": shape.idle, "steps": shape.steps}
        why = Message("In {steps} steps it only rose; it was 0 in at least the first {idle} of them.", values)
        if not shape.idle:
            why = Message("In {steps} steps it only rose.", values)
        severe = self.severity if result is TrainingState.FAILED else Severity.WARNING
        told = self._finding(
            Message("The warm-up does not end within the run: {top} of {asked} is the highest learning rate", values),
            why,
            0,
            {"learning_rate_last": shape.last, "learning_rate": shape.asked or 0.0, "steps_without_rate": shape.idle},
            Cure(Message("Step the scheduler after each batch if its warm-up is counted in batches"), EACH),
        )
        wasted = shape.idle > 1 and shape.idle >= self.idle * shape.steps  # the first step of any warm-up may be at 0
        return replace(told, severity=severe if wasted or result is TrainingState.FAILED else Severity.NOTE)

    def _never(self, shape: RateSchedule) -> Finding:
        values = {"steps": shape.steps}
        return self._finding(
            Message("The learning rate was 0 in all {steps} steps", values),
            Message("A step of 0 changes no weight, whatever the gradient."),
            0,
            {"learning_rate": 0.0},
            Cure(Message("Step the scheduler after each batch if its warm-up is counted in batches"), EACH),
        )

    def _has_gradient(self, recording: Recording, stream: int) -> bool:
        first = next(iter(recording.captures_of(stream)), None)
        pulls = [layer.pull for layer in layers(recording, first)] if first else []
        return not pulls or median(pulls) >= self.pull

    def _by_size(self, recording: Recording, stream: int, fastest: float, typical: float) -> Finding:
        rates = [vital.lr for vital in recording.vitals if vital.stream == stream and vital.lr]
        rate = max(rates, default=None)  # the one that the user has set, of a schedule
        factor = USUAL / typical if typical > 0 else USUAL / fastest
        values = {"pace": f"{typical:.1g}", "rate": f"{rate:.2g}" if rate else "", "steps": f"{1 / fastest:.0g}"}
        known = "The learning rate of {rate} is too low: a step is {pace} of the weights' size"
        unknown = "The learning rate is too low: a step is {pace} of the weights' size"
        evidence: dict[str, float | str] = {"update_over_weight": typical, "suggested_factor": round(factor, 1)}
        if rate:
            evidence["learning_rate"] = rate
        why = Message("Even the fastest layer would need {steps} steps to change by its own size.", values)
        message, since = Message(known if rate else unknown, values), recording.captures_of(stream)[0].step
        if (outweighed := self._outweighed(recording, stream)) is None:
            return self._finding(message, why, since, evidence, _raise(rate, factor))
        held, size = outweighed
        values |= {"optimizer": held.name, "eps": f"{held.options['eps']:.1g}", "size": f"{size:.1g}"}
        message = Message(
            "The eps of {optimizer} ({eps}) outweighs the gradient ({size}): its steps are too small", values
        )
        evidence |= {"eps": held.options["eps"], "grad_rms": size}
        code = EPS.format(name=held.name, rate=rate or 1e-3, eps=1e-8 if size > 1e-6 else 1e-12)
        return self._finding(message, why, since, evidence, Cure(Message("Lower eps far below the gradient"), code))

    def _outweighed(self, recording: Recording, stream: int, times: float = 1.0) -> tuple[Optimizer, float] | None:
        """The optimizer that divides by the gradient's size plus eps, where eps is `times` that; and the size."""
        sizes: dict[int, list[float]] = {}
        for capture in recording.captures_of(stream):
            for id, row in capture.parameters.items():
                owner = recording.parameters[id].optimizer if id in recording.parameters else None
                if owner is not None and row.get("grad_rms"):
                    sizes.setdefault(owner, []).append(row["grad_rms"])
        told = ((recording.optimizers[at], median(found)) for at, found in sizes.items() if at in recording.optimizers)
        return next(((held, size) for held, size in told if held.options.get("eps", 0.0) > times * size), None)

    def _by_schedule(self, recording: Recording, stream: int) -> Finding:
        rates = [(v.step, v.lr) for v in recording.vitals if v.stream == stream and v.lr is not None]
        top = max(rate for _, rate in rates)
        step = next((at for at, rate in rates if rate < self.faded * top), 0)
        values = {"top": f"{top:.2g}", "end": f"{rates[-1][1]:.2g}", "step": step}
        cure = Cure(Message("Step the scheduler once per epoch, or let it fall more slowly"), SLOWLY)
        return self._finding(
            Message("The schedule takes the learning rate away: from {top} to {end}", values),
            Message("By step {step} less than a thousandth of it was left, and little had been learned.", values),
            step,
            {"learning_rate": top, "learning_rate_last": rates[-1][1]},
            cure,
        )

    def _finding(
        self, message: Message, why: Message, since: int, evidence: dict[str, float | str], cure: Cure
    ) -> Finding:
        places = (Place("learning rate", "optimizer"),)
        return Finding(self.name, self.severity, message, why, places, since, evidence, (cure,), 2)


def _raise(rate: float | None, factor: float) -> Cure:
    text = "Raise the learning rate about {factor} times: a thousandth of the weights per step is usual"
    better = rate * factor if rate else None
    code = f'for group in optimizer.param_groups:\n    group["lr"] = {better:.1g}' if better else ""
    return Cure(Message(text, {"factor": f"{factor:.0f}"}), code)
