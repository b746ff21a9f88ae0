"""LSUV: weights that are scaled, layer by layer, until the first batch comes out at size one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator, Tensor

from gradmedic.base.errors import RemedyError
from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import blamed, is_distributed, orthogonal, started, zero

ROUNDS = 3
STEADY, LEAST, MOST = 0.02, 1e-3, 30.0
"""A size within 2 % of the wanted one is left; a layer is changed by no more than these factors in all."""


@dataclass(frozen=True)
class InitLsuv(Remedy):
    """
    ## What it does
    Draws each weight matrix orthogonal and scales it until its output for the first batch has a root mean
    square of `size`; layer after layer, each on the outputs of those that have had their turn. Biases start
    at zero. (The paper uses the standard deviation, which is near zero behind a saturated sigmoid whose outputs
    are all alike: what is divided by it blows up.)

    ## When it helps
    When nothing is known of the activations, or they are the user's own, and signals shrink or grow on
    their way. It looks after the signal only: gradients still vanish where slopes are small.

    ## How the dose is chosen
    All weight matrices, to a size of one. Weights that are used several times in a pass are scaled by their
    first use.

    ## References
    - Mishkin and Matas, [All you need is a good init](https://arxiv.org/abs/1511.06422), 2016
    """

    name: ClassVar[str] = "init-lsuv"
    cures: ClassVar[tuple[str, ...]] = (
        "poor-initialization",
        "vanishing-gradient",
        "exploding-gradient",
        "saturated-activation",
    )
    alters: ClassVar[Alters] = Alters.WEIGHTS

    weights: tuple[str, ...] = ()
    """Names of weights, as recordings have them; `*` stands for one part of a name. Empty: all of them."""

    size: Positive = 1.0
    """The root mean square that outputs are to have."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        yield from map(cls, blamed(finding, recording))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        if is_distributed():
            raise RemedyError("each process sees other data, and would scale the same weights otherwise")
        with started(patient, self.weights, {"matrix": self._fit, "bias": zero}):
            yield

    def _fit(self, weight: FirstUse, generator: Generator) -> None:
        orthogonal(weight.tensor, 1.0, generator)
        done = 1.0
        for _ in range(ROUNDS):
            output = weight.call.proceed()
            size = (
                float(output.float().square().mean().sqrt()) if isinstance(output, Tensor) and output.numel() else 0.0
            )
            if not 0 < size < float("inf") or abs(size / self.size - 1) < STEADY:
                return
            factor = min(max(self.size / size, LEAST / done), MOST / done)
            weight.tensor.mul_(factor)
            done *= factor

    def code(self) -> str:
        return (
            "# behind the line that makes the model; x is a first batch\n"
            "def fit(layer, args, output):\n"
            f"    layer.weight.mul_({self.size:.3g} / output.square().mean().sqrt().clamp(0.01, 100.0))\n"
            "    return layer.forward(*args)\n\n\n"
            "layers = [m for m in model.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]\n"
            "with torch.no_grad():\n"
            "    for layer in layers:\n"
            "        torch.nn.init.orthogonal_(layer.weight)\n"
            "        if layer.bias is not None:\n"
            "            torch.nn.init.zeros_(layer.bias)\n"
            "    handles = [layer.register_forward_hook(fit) for layer in layers]\n"
            "    model(x)\n"
            "for handle in handles:\n"
            "    handle.remove()"
        )
