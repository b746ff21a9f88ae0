"""Gates that start open, so that a recurrent cell keeps its state."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import log
from typing import ClassVar, NamedTuple, Self

from torch import Generator

from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import started


class GatePosition(NamedTuple):
    """Where the gate that keeps the state stands among a cell's gates."""

    gates: int
    at: int


GATES = {
    "LSTM": GatePosition(4, 1),
    "LSTMCell": GatePosition(4, 1),
    "GRU": GatePosition(3, 1),
    "GRUCell": GatePosition(3, 1),
}


@dataclass(frozen=True)
class ForgetGateBias(Remedy):
    """
    ## What it does
    Sets the bias of an LSTM's forget gate, or of a GRU's update gate, to `bias` before its first use; the
    second of PyTorch's two biases to zero, since they add up. A state is then kept with a factor of
    sigmoid(bias) per step: 0.5 at 0, 0.73 at 1, 0.88 at 2, 0.98 at 4.

    ## When it helps
    When a gated cell cannot learn from its early time steps: the gate starts closed, or half open, which
    leaves a thousandth after ten steps.

    ## How the dose is chosen
    So that the half of a state lives as long as the sequences that were seen: ln(T / ln 2), between 1 and 5; then
    2 and 1.

    ## References
    - Gers et al., Learning to forget: continual prediction with LSTM, 2000
    - Jozefowicz et al., [An Empirical Exploration of Recurrent Network
      Architectures](https://proceedings.mlr.press/v37/jozefowicz15.html), 2015
    - Tallec and Ollivier, [Can recurrent neural networks warp time?](https://arxiv.org/abs/1804.11188), 2018
    """

    name: ClassVar[str] = "forget-gate-bias"
    cures: ClassVar[tuple[str, ...]] = ("vanishing-through-time",)
    alters: ClassVar[Alters] = Alters.WEIGHTS

    bias: float = 1.0
    """What is added before the gate's sigmoid."""

    parameters: tuple[str, ...] = ()
    """Names of biases, with `*` for one part of a name. Empty: those of all LSTM and GRU layers."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        gated = {p.name for p in recording.parameters.values() if p.module_type in GATES}
        owners = {(place.parameter or place.name) for place in finding.places}
        if not any(name.startswith(owner.rpartition(".weight")[0] or owner) for name in gated for owner in owners):
            return
        steps = float(finding.evidence.get("time_steps", 10.0))
        chosen = round(min(max(log(max(steps, 2.0) / log(2.0)), 1.0), 5.0), 1)
        yield from map(cls, dict.fromkeys((chosen, 2.0, 1.0)))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with started(patient, self.parameters, {"bias": self._open}):
            yield

    def _open(self, weight: FirstUse, _: Generator) -> bool:
        gate = GATES.get(type(weight.owner).__name__)
        if gate is None:
            return False
        width = weight.tensor.shape[0] // gate.gates
        part = weight.tensor[gate.at * width : (gate.at + 1) * width]
        part.fill_(self.bias if any("bias_ih" in label for label in weight.labels) else 0.0)
        return True

    def code(self) -> str:
        return (
            "# behind the line that makes the model; an LSTM's gates stand as i, f, g, o, a GRU's as r, z, n\n"
            "with torch.no_grad():\n"
            "    for cell in model.modules():\n"
            "        if isinstance(cell, (torch.nn.LSTM, torch.nn.GRU)):\n"
            "            for name, bias in cell.named_parameters():\n"
            '                if name.startswith("bias"):\n'
            "                    gate = bias[cell.hidden_size : 2 * cell.hidden_size]\n"
            f'                    gate.fill_({self.bias:.3g} if "_ih_" in name else 0.0)'
        )
