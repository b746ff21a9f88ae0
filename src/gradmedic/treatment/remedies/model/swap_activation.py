"""Another activation at chosen places, with the initialization that belongs to it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Generator, Tensor

from gradmedic.base.errors import GradmedicError, RemedyError
from gradmedic.diagnosis.features.structure import hidden_activations, sites_of, streams_of, weights_before
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.recording.site import Kind, Site
from gradmedic.theory.activations import Activation, activation
from gradmedic.treatment.code_places import start_loop
from gradmedic.treatment.operation_names import spots
from gradmedic.treatment.patient import FirstUse, FunctionCall, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import edge, normal, started, zero

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
    bounds what goes on. Dead ReLUs become leaky ones. Once with the weights as they were: small ones can
    generalize better.

    ## References
    - Glorot, Bordes and Bengio, [Deep Sparse Rectifier Neural
      Networks](https://proceedings.mlr.press/v15/glorot11a.html), 2011
    - Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013
    """

    name: ClassVar[str] = "swap-activation"
    cures: ClassVar[tuple[str, ...]] = ("exploding-gradient", "vanishing-gradient", "dead-relu", "saturated-activation")
    alters: ClassVar[Alters] = Alters.MODEL

    sites: tuple[str, ...]
    """Where, such as "body.1/sigmoid" or "train.py:31/sigmoid"; `*` stands for one part of a name."""

    to: str = "relu"
    """Any activation that gradmedic knows, by its name in torch: "relu", "gelu", "leaky_relu(0.2)"."""

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
        first, *others = (cls(named, to, weights) for to in wanted if to not in ops)
        yield from dict.fromkeys((first, *others[:1], cls(named, first.to), *others[1:]))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        function, gain = _known(self.to).f, _gain(self.to)

        def swapped(call: FunctionCall) -> Tensor:
            return call.become(function(call.operand.clone() if call.in_place else call.operand))

        def draw(weight: FirstUse, generator: Generator) -> None:
            normal(weight.tensor, gain, weight.fan_in, generator)

        with patient.around_calls(self.sites, swapped), ExitStack() as more:
            if self.weights:
                more.enter_context(started(patient, self.weights, {"matrix": draw, "bias": zero}))
            yield

    def code(self) -> str:
        known = _known(self.to)
        module, function = known.modules[:1], known.functions[:1]
        places = ", ".join(self.sites[:3]) + (", ..." if len(self.sites) > 3 else "")
        swap = (
            f"# at {places}\n"
            f"activation = torch.nn.{module[0] if module else 'Identity'}()"
            f"{f'  # as a function: torch.nn.functional.{function[0]}(x)' if function else ''}"
        )
        if not self.weights:
            return swap
        draw = f"torch.nn.init.normal_(weight, std={_gain(self.to):.4g} / weight[0].numel() ** 0.5)"
        return f"{swap}\n{start_loop(self.weights, draw, 'torch.nn.init.zeros_(weight)')}"


def _known(name: str) -> Activation:
    try:
        return activation(name)
    except GradmedicError as error:
        raise RemedyError(str(error)) from None


def _gain(name: str) -> float:
    """The standard deviation x root of the fan-in at which gradients keep their size; one where there is none."""
    point = edge(name)
    return point.sigma_w if point is not None else 1.0


def _at_fault(finding: Finding, recording: Recording) -> list[Site]:
    """The activations to change: those that the finding names, and their like."""
    streams = streams_of(finding, recording)
    hidden = hidden_activations(recording, streams)
    if finding.rule == "dead-relu":
        named = {site.id for site in sites_of(finding, recording)}
        ops = {site.op for site in hidden if site.id in named}
        return [site for site in hidden if site.op in ops]
    if finding.rule == "exploding-gradient":
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
