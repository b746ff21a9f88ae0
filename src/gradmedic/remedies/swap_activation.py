"""Another activation at chosen places, with the initialization that belongs to it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator, Tensor
from torch.nn import functional as F

from gradmedic.anatomy import hidden_activations, sites_of, streams_of, weights_before
from gradmedic.errors import RemedyError
from gradmedic.finding import Finding
from gradmedic.patient import Call, Patient, Weight
from gradmedic.patient.spots import spots
from gradmedic.recording import Recording
from gradmedic.remedies import Alters, Remedy
from gradmedic.settings import nearest
from gradmedic.site import Kind, Site
from gradmedic.starts import GAINS, normal, started, zero

FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
    "tanh": Tensor.tanh,
    "softsign": F.softsign,
    "identity": lambda x: x,
}
STEEP = {"exp", "expm1", "pow", "square", "sinh", "cosh"}
"""Operations that grow faster than their operand: as activations they explode over depth."""


@dataclass(frozen=True)
class SwapActivation(Remedy):
    """
    ## What it does
    Computes `to` in the place of the activations at `sites`, be they modules, functions, methods or functions
    with a gradient of the user's own. The weights right before them get the start that belongs to the new
    activation: normal, of the standard deviation at which it keeps the size of gradients; biases start at zero.

    ## When it helps
    When the activation itself takes the gradient away: a sigmoid's slope is at most 0.25, a hard sigmoid's 1/6,
    and ten of them cost six decades and more. When it is steeper than a line (exp, powers) and explodes. When
    it dies (ReLU). Gates, attention and outputs are meant to squash, and are left alone.

    ## How the dose is chosen
    All hidden places of the activation at fault. To ReLU; then GELU, which has no dead units, and tanh, which
    bounds what goes on. Dead ReLUs become leaky ones.

    ## References
    - Glorot, Bordes and Bengio, [Deep Sparse Rectifier Neural
      Networks](https://proceedings.mlr.press/v15/glorot11a.html), 2011
    - Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013
    """

    name: ClassVar[str] = "swap-activation"
    cures: ClassVar[tuple[str, ...]] = (
        "vanishing-gradient",
        "dead-relu",
        "exploding-gradient",
        "saturated-activation",
        "non-finite",
    )
    alters: ClassVar[Alters] = Alters.MODEL

    sites: tuple[str, ...]
    """Where, such as "body.1/sigmoid" or "train.py:31/sigmoid"; `*` stands for one part of a name."""

    to: str = "relu"
    """relu, leaky_relu, elu, selu, gelu, silu, mish, tanh, softsign or identity."""

    weights: tuple[str, ...] = ()
    """Names of the weights that get the start of the new activation. Empty: none."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        found = _at_fault(finding, recording)
        if not found:
            return
        named, weights = spots(recording, found), weights_before(recording, found)
        ops = {site.op for site in found}
        wanted = ("leaky_relu", "gelu", "elu") if finding.rule == "dead-relu" else ("relu", "gelu", "tanh")
        yield from (cls(named, to, weights) for to in wanted if to not in ops)

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        if self.to not in FUNCTIONS:
            raise RemedyError(f"swap-activation knows no activation {self.to!r}{nearest(self.to, FUNCTIONS)}")
        function, gain = FUNCTIONS[self.to], GAINS[self.to][0]

        def swapped(call: Call) -> Tensor:
            return call.become(function(call.operand.clone() if call.in_place else call.operand))

        def draw(weight: Weight, generator: Generator) -> None:
            normal(weight.tensor, gain, weight.fan_in, generator)

        with patient.around_calls(self.sites, swapped), ExitStack() as more:
            if self.weights:
                more.enter_context(started(patient, self.weights, {"matrix": draw, "bias": zero}))
            yield

    def code(self) -> str:
        module = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "identity": "Identity"}.get(self.to, self.to.upper())
        module = {"SILU": "SiLU", "MISH": "Mish", "TANH": "Tanh", "SOFTSIGN": "Softsign"}.get(module, module)
        function = f"torch.{self.to}" if self.to in ("relu", "tanh") else f"torch.nn.functional.{self.to}"
        places = ", ".join(self.sites[:3]) + (", ..." if len(self.sites) > 3 else "")
        return (
            f"# at {places}\n"
            f"activation = torch.nn.{module}()  # as a function: {function}(x)\n"
            "# and for each layer right before one\n"
            f"std = {GAINS.get(self.to, (1.0, 0.0))[0]:.4g} / layer.weight[0].numel() ** 0.5\n"
            "torch.nn.init.normal_(layer.weight, std=std)\n"
            "torch.nn.init.zeros_(layer.bias)"
        )


def _at_fault(finding: Finding, recording: Recording) -> list[Site]:
    """The activations to change: those that the finding names, and their like."""
    streams = streams_of(finding, recording)
    hidden = hidden_activations(recording, streams)
    if finding.rule == "dead-relu":
        named = {site.id for site in sites_of(finding, recording)}
        ops = {site.op for site in hidden if site.id in named}
        return [site for site in hidden if site.op in ops]
    if finding.rule in ("exploding-gradient", "non-finite"):
        return _steep(recording, streams)
    if finding.rule == "saturated-activation":
        named = {site.id for site in sites_of(finding, recording)}
        return [site for site in hidden if site.id in named]
    return [site for site in hidden if site.op not in ("relu", "leaky_relu", "elu", "selu", "dropout")]


def _steep(recording: Recording, streams: set[int]) -> list[Site]:
    """The activations that are steeper than a line: right behind weights, and before others."""
    found = [s for s in recording.sites.values() if s.stream in streams and s.op in STEEP and not s.tail]
    fed = [s for s in found if any(_is_weights(recording, key) for key in s.inputs)]
    return sorted(fed, key=lambda site: (site.stream, site.order))


def _is_weights(recording: Recording, key: int) -> bool:
    site = recording.sites.get(key)
    return site is not None and site.kind is Kind.WEIGHTS
