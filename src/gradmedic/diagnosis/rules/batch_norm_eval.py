"""Batch normalization in eval mode while its network is trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Site
from gradmedic.recording.sketch import Columns, Drawn, parameter, site, sketch

STUCK = [2.30, 2.31] * 40
FALLING = [2.3 * 0.95**i for i in range(80)]


def _run(running: list[float], untouched: float = 0.0, losses: list[float] | None = None) -> Recording:
    numbers: Columns = {"running": running, "untouched": [untouched if mode else None for mode in running]}
    layers = [site("conv", "conv"), site("bn", "batch_norm", numbers, parameter="bn.weight"), site("out", "linear")]
    return sketch(layers, [parameter("bn.weight", shape=(8,))], losses=losses or STUCK)


@dataclass(frozen=True)
class BatchNormEval(Rule):
    """
    ## What it finds
    Batch normalization that normalizes by its running statistics in the training passes, though it
    began by those of the batch, or though these statistics were never computed.

    ## Why it hurts
    In eval mode a layer of batch normalization is a fixed map. The statistics stay as they were when
    the mode was changed, while the weights before it move on: the signal is no longer normalized,
    and the gradient does not know what the change of a batch's mean would do. A step that is harmless in train
    mode throws the network off.

    ## What causes it
    `model.eval()` in a validation loop, with no `model.train()` behind it. A model that is made in
    eval mode. A `train()` that was overridden and does not reach the layers.

    ## Example
    ```python
    for epoch in range(epochs):
        train_one_epoch(model)
        model.eval()
        validate(model)
    ```

    ## Instead
    ```python
    for epoch in range(epochs):
        model.train()
        train_one_epoch(model)
        model.eval()
        validate(model)
    ```
    Frozen statistics of a pretrained network are as they should be, and nothing is reported.

    ## References
    - Ioffe and Szegedy, [Batch normalization](https://arxiv.org/abs/1502.03167), 2015
    - PyTorch, [Module.eval](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.eval)
    """

    name: ClassVar[str] = "batch-norm-eval"
    severity: ClassVar[Severity] = Severity.CRITICAL

    most: float = 0.5
    """Share of the captures behind the change from which the mode was not just visited."""

    SICK: ClassVar = Drawn(
        lambda: [
            _run([0, 0, 0, 1, 1, 1, 1]),
            _run([1, 1, 1, 1], untouched=1.0),
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _run([0] * 6),
            _run([1] * 6),  # frozen statistics of a pretrained network
            _run([0, 1, 0, 0, 0, 0]),  # a pass of another kind
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        told = {s.id: recording.site_series(s.id, "running") for s in recording.sites.values() if s.op == "batch_norm"}
        for at, series in sorted(told.items(), key=lambda item: recording.sites[item[0]].order):
            since = self._since(recording, at, series)
            if since is not None:
                yield self._finding(recording, recording.sites[at], since)
                return

    def _since(self, recording: Recording, at: int, series: list[tuple[int, float]]) -> int | None:
        """The step from which a layer is in a mode that it should not be in."""
        modes = [mode for _, mode in series]
        if len(modes) < 2 or not modes[-1]:
            return None
        if 0.0 not in modes:
            untouched = [flag for _, flag in recording.site_series(at, "untouched")]
            return series[0][0] if untouched and min(untouched) == 1.0 else None
        first = modes.index(1.0)
        behind = modes[first:]
        return series[first][0] if 0.0 in modes[:first] and sum(behind) >= self.most * len(behind) else None

    def _finding(self, recording: Recording, layer: Site, since: int) -> Finding:
        outcomes = {outcome(recording, stream) for stream in recording.streams}
        severity = Severity.WARNING if TrainingState.FAILED not in outcomes else self.severity
        if TrainingState.LEARNING in outcomes:
            severity = Severity.NOTE
        values = {"layer": layer.name, "step": since}
        return Finding(
            self.name,
            severity,
            Message("{layer} is trained in eval mode: it normalizes by running statistics", values),
            Message("These stand still while the weights move on: model.train() was not called again.", values),
            (layer.place,),
            since,
            {"since_step": float(since)},
            (Cure(Message("Call model.train() before each epoch of training"), "model.train()"),),
            rank=0,
            explains=CONSEQUENCES,
        )


CONSEQUENCES = (
    "learning-rate-too-low",
    "learning-rate-too-high",
    "exploding-gradient",
    "vanishing-gradient",
    "loss-spike",
    "dead-relu",
    "saturated-activation",
    "non-finite",
)
"""What a network does that is no longer normalized."""
