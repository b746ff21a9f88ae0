"""Vanishing through time: the gradient of a recurrent network forgets the early time steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import ClassVar

from gradmedic.base.messages import Message
from gradmedic.diagnosis.features.layers import sound, typical_paces
from gradmedic.diagnosis.features.time_profile import DEPTH, Wave, waves
from gradmedic.diagnosis.finding import Cure, Finding, Severity
from gradmedic.diagnosis.rules import Rule
from gradmedic.diagnosis.training_state import TrainingState, outcome
from gradmedic.recording.records import Recording
from gradmedic.recording.sketch import Drawn, parameter, site, sketch


def _recall(factor: float, losses: list[float], steps: int = 40, update: float = 1e-3) -> Recording:
    """A recurrent layer that is read at its end and passes on `factor` of the gradient per time step."""
    return sketch(
        [site("rnn", "rnn", {"grad_rms": [0.01] * 3}, parameter="rnn.weight_hh_l0", repeats=steps)],
        [parameter("rnn.weight_hh_l0", {"weight_rms": [0.1] * 3, "update_rms": update}, shape=(48, 48))],
        losses=losses,
        profiles={"rnn": [0.01 * factor ** (steps - 1 - t) for t in range(steps)]},
    )


@dataclass(frozen=True)
class VanishingThroughTime(Rule):
    """
    ## What it finds
    Recurrent networks whose gradient falls geometrically from the last time step back to the
    first, in a run that does not learn.

    ## Why it hurts
    The weights of a recurrent layer are shared by all time steps, so their gradient looks healthy:
    it is made by the last few steps. What happened earlier does not contribute, and dependencies
    longer than the horizon that is reported here cannot be learned.

    ## What causes it
    Each step back multiplies the gradient by the recurrent weights and the slope of the
    activation. A plain tanh layer with PyTorch's default weights keeps about 0.53 of it per step,
    a thousandth is left after 11 steps. In an LSTM the factor is mostly its forget gate:
    0.5 by default, 0.02 with a bias of -4. Small or contracting recurrent weights make it worse.

    ## Example
    ```python
    rnn = nn.RNN(4, 48, batch_first=True)
    nn.init.uniform_(rnn.weight_hh_l0, -0.08, 0.08)  # keeps about 0.3 per step
    ```

    ## Instead
    ```python
    rnn = nn.LSTM(4, 48, batch_first=True)
    hidden = rnn.hidden_size
    with torch.no_grad():
        rnn.bias_ih_l0[hidden : 2 * hidden].fill_(1.0)  # the forget gates start open
        rnn.bias_hh_l0[hidden : 2 * hidden].fill_(1.0)
    ```
    A plain recurrent layer needs orthogonal recurrent weights: `nn.init.orthogonal_(rnn.weight_hh_l0)`.

    ## References
    - Bengio et al., Learning long-term dependencies with gradient descent is difficult, 1994
    - Pascanu et al., [On the difficulty of training recurrent neural
      networks](https://arxiv.org/abs/1211.5063), 2013
    - Jozefowicz et al., [An Empirical Exploration of Recurrent Network
      Architectures](https://proceedings.mlr.press/v37/jozefowicz15.html), 2015
    """

    name: ClassVar[str] = "vanishing-through-time"
    severity: ClassVar[Severity] = Severity.CRITICAL

    decades: float = DEPTH
    """Decades between the last time step and the first from which the first is out of reach."""

    steady: float = 0.8
    """Share of the time steps over which the gradient has to fall: a decay, not a sequence of
    which some steps simply do not matter."""

    standstill: float = 1e-5
    """Pace of the weights under which the learning rate, not the gradient, explains a stuck loss."""

    SICK: ClassVar = Drawn(
        lambda: [
            _recall(0.5, [1.386] * 60),
            _recall(0.02, [1.39, 1.38] * 40, steps=25),  # an LSTM that forgets in one step
        ]
    )
    HEALTHY: ClassVar = Drawn(
        lambda: [
            _recall(0.95, [1.386] * 60),  # does not learn, but the first step is within reach
            _recall(0.5, [1.4 * 0.95**i for i in range(60)]),  # only the last steps matter, and it learns
            _recall(0.5, [1.386] * 60, update=1e-8),  # stuck for want of a learning rate
        ]
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        for stream in recording.streams:
            falls = [
                fall
                for capture in recording.captures_of(stream)[:3]
                if sound(capture)
                for wave in waves(recording, capture)
                if (fall := (wave, capture.step)) and -wave.decades >= self.decades and wave.steady >= self.steady
            ]
            severity = self._severity(recording, stream)
            if falls and severity is not None:
                yield self._finding(falls[0][0], [wave for wave, _ in falls], falls[0][1], severity)

    def _severity(self, recording: Recording, stream: int) -> Severity | None:
        result = outcome(recording, stream)
        moving = median([pace for _, pace in typical_paces(recording, stream)] or [inf]) >= self.standstill
        if result is TrainingState.FAILED:
            return self.severity if moving else None
        return None if result is TrainingState.LEARNING else Severity.NOTE

    def _finding(self, worst: Wave, falls: list[Wave], step: int, severity: Severity) -> Finding:
        keeps = 10**worst.per_step
        values = {"site": worst.site.name, "horizon": f"{worst.horizon:.0f}", "steps": worst.steps + 1}
        text = "The gradient vanishes through time in {site}: it reaches back {horizon} of {steps} time steps"
        why = "Each step back keeps {keeps} of it; {horizon} steps earlier a thousandth is left."
        return Finding(
            self.name,
            severity,
            Message(text, values),
            Message(why, {"keeps": f"{keeps:.2g}", "horizon": f"{worst.horizon:.0f}"}),
            tuple(dict.fromkeys(wave.site.place for wave in falls)),
            step,
            {
                "decades": round(worst.decades, 2),
                "decades_per_step": round(worst.per_step, 3),
                "horizon_steps": round(worst.horizon, 1),
                "time_steps": worst.steps + 1,
            },
            _cures(worst.site.op),
            rank=1,
            explains=("vanishing-gradient", "saturated-activation"),
        )


def _cures(op: str) -> tuple[Cure, ...]:
    gate = Cure(
        Message("Start with open forget gates, so that the cell keeps its state"),
        "with torch.no_grad():\n"
        "    for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0):\n"
        "        bias[hidden : 2 * hidden].fill_(1.0)",
    )
    gated = Cure(Message("Use a gated cell"), "nn.LSTM(inputs, hidden, batch_first=True)")
    straight = Cure(
        Message("Start the recurrent weights orthogonal: they keep the size over many steps"),
        "nn.init.orthogonal_(rnn.weight_hh_l0)",
    )
    shorter = Cure(Message("Read the sequence through attention or a shortcut instead of its last state alone"))
    return (gate, straight, shorter) if "lstm" in op else (straight, gated, shorter)
