"""Weight decay that wins: the weights shrink to nothing before the gradient can teach them anything."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Optimizer, Recording
from gradmedic.recording.site import Parameter, Place
from gradmedic.recording.sketch import Drawn, parameter, sketch


def _run(decay: float, weights: list[float], losses: list[float], name: str = "SGD") -> Recording:
    numbers = {"weight_rms": weights, "grad_rms": [0.005] * len(weights), "update_rms": [1e-3] * len(weights)}
    held = Optimizer(0, name, {"weight_decay": decay, "lr": 0.1})
    return sketch([], [parameter("fc.weight", numbers, shape=(64, 64))], losses=losses, lr=0.1, optimizers=[held])


STUCK = [2.30, 2.31] * 40
SHRINK = [0.1, 0.01, 1e-4, 1e-6]


@dataclass(frozen=True)
class WeightDecayTooHigh(Rule):
    """
    ## What it finds
    Runs that got nowhere while weight decay pulled the weights to zero harder than the gradient
    pulled them anywhere, and the weights have shrunk away.

    ## Why it hurts
    Decay takes the same share of every weight at each step. Where that is more than the gradient
    gives, the weights fall exponentially, the output no longer depends on the input, and with the
    signal the gradient is gone as well.

    ## What causes it
    A decay meant for another optimizer: AdamW multiplies it by the learning rate and takes 0.01 to
    0.1, while SGD and Adam add it to the gradient, where 5e-4 is usual. A factor that was taken
    for the share that is kept. A penalty on the weights that is added to the loss as well.

    ## Example
    ```python
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.5)
    ```

    ## Instead
    ```python
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5e-4)
    ```

    ## References
    - Loshchilov and Hutter, [Decoupled weight decay regularization](https://arxiv.org/abs/1711.05101), 2019
    """

    name: ClassVar[str] = "weight-decay"
    severity: ClassVar[Severity] = Severity.CRITICAL

    shrunk: float = 0.1
    """Share of their first size to which the typical matrix has fallen; a normalized layer in
    balance with its decay does not fall that far while it learns."""

    pull: float = 1.0
    """Decay over gradient from which the decay decides where a weight goes."""

    SICK: ClassVar = Drawn(
        lambda: [
            _run(0.5, SHRINK, STUCK),
            _run(1.0, SHRINK, STUCK, "Adam"),
            _run(1.0, SHRINK, STUCK, "AdamW"),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _run(5e-4, [0.1, 0.09, 0.08, 0.07], STUCK),
            _run(0.0, SHRINK, STUCK),  # something else shrinks them
            _run(0.5, SHRINK, [2.3 * 0.95**i for i in range(80)]),  # and yet it learns
            _run(0.5, [0.1, 0.09, 0.1, 0.1], STUCK),  # the gradient holds out
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        outcomes = {outcome(recording, stream) for stream in recording.streams}
        if TrainingState.FAILED not in outcomes or TrainingState.LEARNING in outcomes:
            return
        matrices = [p for p in recording.parameters.values() if len(p.shape) > 1 and p.optimizer is not None]
        sizes = {p.id: [size for _, size in recording.parameter_series(p.id, "weight_rms")] for p in matrices}
        moved = [p for p in matrices if len(sizes[p.id]) > 1 and sizes[p.id][0] > 0]
        pulls = {p.id: pull for p in moved if (pull := self._pull(recording, p)) is not None}
        if not pulls or median(sizes[key][-1] / sizes[key][0] for key in pulls) > self.shrunk:
            return
        if median(pulls.values()) >= self.pull:
            first = next(p for p in moved if p.id in pulls)
            yield self._finding(recording, first, sizes[first.id], median(pulls.values()))

    def _pull(self, recording: Recording, held: Parameter) -> float | None:
        """The largest ratio of decay to gradient before the weights were gone; None without decay."""
        optimizer = recording.optimizers.get(held.optimizer if held.optimizer is not None else -1)
        decay = optimizer.options.get("weight_decay", 0.0) if optimizer is not None else 0.0
        if optimizer is None or decay <= 0:
            return None
        rows = [c.parameters[held.id] for c in recording.captures if held.id in c.parameters]
        first = next((row["weight_rms"] for row in rows if row.get("weight_rms")), 0.0)
        told = [
            found
            for row in rows
            if row.get("weight_rms", 0.0) >= self.shrunk * first
            if (found := _ratio(optimizer, decay, row)) is not None
        ]
        return max(told, default=None)

    def _finding(self, recording: Recording, first: Parameter, sizes: list[float], pull: float) -> Finding:
        optimizer = recording.optimizers[first.optimizer or 0]
        decay = optimizer.options["weight_decay"]
        better = f"{decay / (SAFE * pull):.0e}".replace("e-0", "e-")
        values = {
            "decay": f"{decay:g}",
            "times": f"{pull:.2g}",
            "before": f"{sizes[0]:.2g}",
            "after": f"{sizes[-1]:.2g}",
            "better": better,
            "weights": first.name,
        }
        return Finding(
            self.name,
            self.severity,
            Message("Weight decay of {decay} wins: {weights} shrinks from {before} to {after}", values),
            Message("It pulls {times} times as hard as the gradient: each step takes a share of each weight.", values),
            (Place(optimizer.name, "optimizer", first.name), first.place),
            0,
            {"weight_decay": decay, "decay_over_gradient": pull, "weight_rms": sizes[0], "weight_rms_last": sizes[-1]},
            (Cure(Message("Lower the weight decay to {better}", values), _code(optimizer.name, better)),),
            rank=0,
            explains=CONSEQUENCES,
        )


SAFE = 100.0
"""Times by which the gradient is to exceed the decay in the beginning."""

CONSEQUENCES = (
    "vanishing-gradient",
    "vanishing-through-time",
    "learning-rate-too-low",
    "poor-initialization",
    "dead-relu",
    "gradient-underflow",
    "zero-gradient",
)
"""What a network looks like whose weights are gone."""


def _ratio(optimizer: Optimizer, decay: float, row: Mapping[str, float]) -> float | None:
    """Decay over gradient in one step: of what is added to the gradient, or beside it of the step itself."""
    if "AdamW" in optimizer.name or optimizer.options.get("decoupled_weight_decay"):
        taken = decay * optimizer.options.get("lr", 0.0) * row["weight_rms"]
        rest = row.get("update_rms", 0.0) - taken
        return taken / max(rest, taken / SAFE) if taken > 0 else None
    return decay * row["weight_rms"] / row["grad_rms"] if row.get("grad_rms") else None


def _code(optimizer: str, better: str) -> str:
    return f"optimizer = torch.optim.{optimizer}(model.parameters(), lr=..., weight_decay={better})"
