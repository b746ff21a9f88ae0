"""Loss mismatch: the output is on another scale than the loss or its targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradmedic.diagnosis.features.loss_mismatch import OutputMismatch, misfit
from gradmedic.diagnosis.finding import Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import Drawn, site, sketch

CONSEQUENCES = (
    "saturated-activation",
    "vanishing-gradient",
    "dead-relu",
    "learning-rate-too-low",
    "learning-rate-too-high",
    "exploding-gradient",
    "non-finite",
)
"""An output that is driven to the end of its range, a loss that cannot fall, or one that falls forever."""


def _classifier(last: str, loss: str, losses: list[float]) -> Recording:
    return sketch(
        [
            site("fc", "linear"),
            site("out", last, tail=True, shape=(32, 10)),
            site("loss", loss, {"input_min": 0.0, "input_max": 1.0}, tail=True, shape=(32, 10)),
        ],
        losses=losses,
    )


def _regression(last: str, low: float, high: float) -> Recording:
    targets = {"target_min": low, "target_max": high}
    return sketch([site("fc", "linear"), site("out", last, tail=True), site("loss", "mse_loss", targets, tail=True)])


@dataclass(frozen=True)
class LossMismatch(Rule):
    """
    ## What it finds
    Outputs that do not fit the loss: probabilities where the loss wants logits, logits where it
    wants log-probabilities, an output range that cannot reach the targets, an output that is cut
    by ReLU.

    ## Why it hurts
    The network is asked for something that it cannot say. Behind a second softmax ten classes get
    0.23 at most, and the loss stops at 1.46; behind a second sigmoid every probability is between
    0.5 and 0.73. The gradient is small everywhere and near zero for outputs that are sure and
    wrong. The negative log-likelihood of raw logits is worse: it falls forever and means nothing.

    ## What causes it
    PyTorch's `CrossEntropyLoss` and `BCEWithLogitsLoss` contain the softmax and the sigmoid;
    `NLLLoss` and `BCELoss` do not. In regression, a sigmoid, tanh or ReLU left behind the last
    layer while the targets are not scaled to its range.

    ## Example
    ```python
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), nn.Softmax(dim=1))
    loss = nn.CrossEntropyLoss()(model(x), y)  # softmax of a softmax
    ```

    ## Instead
    ```python
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    loss = nn.CrossEntropyLoss()(model(x), y)
    probabilities = model(x).softmax(dim=1)  # where you need them
    ```

    ## References
    - PyTorch, [CrossEntropyLoss](https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html)
    - Bridle, Probabilistic Interpretation of Feedforward Classification Network Outputs, 1990
    """

    name: ClassVar[str] = "loss-mismatch"
    severity: ClassVar[Severity] = Severity.CRITICAL

    beyond: float = 0.1
    """Share of the targets' own range that has to lie outside of the output's range: an outlier that
    is a little too large costs a squashed output nothing."""

    floor: float = 0.1
    """Share of the loss of a guess that a bounded output has to leave unreachable: less than that
    is label smoothing."""

    SICK: ClassVar = Drawn(
        lambda: [
            _classifier("softmax", "log_softmax", [2.3] * 30),
            _classifier("sigmoid", "binary_cross_entropy_with_logits", [0.7] * 30),
            _classifier("relu", "log_softmax", [2.3] * 30),
            _classifier("softmax", "nll_loss", [-0.1 * i for i in range(30)]),
            _regression("sigmoid", 0.0, 9.0),
            _regression("relu", -2.0, 2.0),
            sketch([site("out", "softmax", {"value_min": 1.0}, tail=True), site("log", "log", tail=True)]),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _classifier("log_softmax", "log_softmax", [2.3] * 30),  # done twice, but without any effect
            _regression("sigmoid", 0.0, 1.0),
            _regression("tanh", -1.02, 1.0),  # one outlier
            _regression("relu", 0.0, 50.0),
            sketch(
                [site("fc", "linear"), site("loss", "log_softmax", tail=True, shape=(32, 10)), site("nll", "nll_loss")]
            ),
            _regression("mul", -5.0, 5.0),  # a gate, somewhere before
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            ends = [end for end in recording.in_order(stream) if end.tail]
            found = [fault for end in ends if (fault := misfit(recording, end, self.beyond, self.floor)) is not None]
            if found:
                yield self._finding(recording, stream, found[0])

    def _finding(self, recording: Recording, stream: int, fault: OutputMismatch) -> Finding:
        fails = outcome(recording, stream) is not TrainingState.LEARNING
        return Finding(
            self.name,
            self.severity if fails else Severity.WARNING,
            fault.message,
            fault.why,
            (fault.last.place,),
            0,
            fault.evidence,
            fault.cures,
            rank=0,
            explains=CONSEQUENCES,
        )
