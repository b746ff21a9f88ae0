"""Critical initialization: weights and biases at which gradients keep their size through an activation."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Self

from torch import Generator, Tensor, nn

from gradmedic.base.interruption import let_through
from gradmedic.base.warn import warn_of
from gradmedic.diagnosis.features.structure import blames_weights, hidden_activations, streams_of, weights_before
from gradmedic.diagnosis.finding import Finding
from gradmedic.prediction.init import critical_
from gradmedic.recording.records import Recording
from gradmedic.treatment.code_places import start_loop
from gradmedic.treatment.patient import FirstUse, Patient
from gradmedic.treatment.remedies import Alters, Remedy
from gradmedic.treatment.weight_draws import BY_HAND, edge, is_distributed, normal, start_for, started


@dataclass(frozen=True)
class InitCritical(Remedy):
    """
    ## What it does
    Starts a network at the edge of chaos: with the weights, and biases, at which the mean squared slope of what
    follows times the weights' variance is one, so that a gradient neither vanishes nor explodes over depth. The
    whole network, each layer by what it is used for, trimmed on the first batch (`gm.init.critical_`); or, with
    an `activation`, the named weights for that activation alone, whatever they are.

    ## When it helps
    In deep networks of any build whose weights start too small or too large; with smooth activations, where He is
    too large (ELU, SELU) or meant for ReLU, and Xavier, which assumes a slope of one, is too small; with
    recurrent layers, whose states start orthogonal and whose gates open. Sigmoid and hard sigmoid have such a
    point only where signals are large, with a gain of ten, or with weights that sum to zero; softplus only then.

    ## How the dose is chosen
    The whole network first. Then the activation that most hidden layers have, for the weights right before it:
    that works for raw tensors too. The numbers come from integrals over the activation and its slope, not
    from a habit.

    ## References
    - Poole et al., [Exponential expressivity in deep neural networks](https://arxiv.org/abs/1606.05340), 2016
    - Schoenholz et al., [Deep Information Propagation](https://arxiv.org/abs/1611.01232), 2017
    """

    name: ClassVar[str] = "init-critical"
    cures: ClassVar[tuple[str, ...]] = (
        "vanishing-gradient",
        "poor-initialization",
        "exploding-gradient",
        "vanishing-through-time",
        "saturated-activation",
        "dead-relu",
    )
    alters: ClassVar[Alters] = Alters.WEIGHTS

    activation: str = ""
    """The activation behind the weights, such as "tanh". Empty: the whole network, by what it is made of."""

    weights: tuple[str, ...] = ()
    """With an activation: names of weights; `*` stands for one part of a name. Empty: all of them."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if not blames_weights(finding, recording):
            return
        if any(held.module_type for held in recording.parameters.values()):
            yield cls()
        hidden = hidden_activations(recording, streams_of(finding, recording))
        for op, _ in Counter(site.op for site in hidden).most_common(1):
            if edge(op) is not None:
                yield cls(BY_HAND.get(op, op), weights_before(recording, [site for site in hidden if site.op == op]))
        if not hidden and recording.sites:
            yield cls("identity")

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        with self._for_activation(patient) if self.activation else patient.on_first_forward(_whole):
            yield

    @contextmanager
    def _for_activation(self, patient: Patient) -> Iterator[None]:
        point = start_for(self.activation)

        def draw(weight: FirstUse, generator: Generator) -> None:
            normal(weight.tensor, point.sigma_w, weight.fan_in, generator)

        def shift(weight: FirstUse, generator: Generator) -> None:
            normal(weight.tensor, sqrt(point.sigma_b2), 1.0, generator)

        with started(patient, self.weights, {"matrix": draw, "bias": shift}):
            yield

    def code(self) -> str:
        if not self.activation:
            return (
                "# behind the line that makes the model; x is a batch of its inputs\n"
                "import gradmedic as gm\n\n"
                "gm.init.critical_(model, x)"
            )
        point = start_for(self.activation)
        draw = f"torch.nn.init.normal_(weight, std={point.sigma_w:.4g} / weight[0].numel() ** 0.5)"
        return start_loop(self.weights, draw, f"torch.nn.init.normal_(weight, std={sqrt(point.sigma_b2):.4g})")


def _whole(model: nn.Module, args: tuple[Any, ...]) -> None:
    """Start a model by what its first batch shows; by the order of its modules where that cannot be run."""
    seed = 0 if is_distributed() else None
    batch = args if args and all(isinstance(one, Tensor) for one in args) and not is_distributed() else None
    try:
        critical_(model, batch, seed=seed)
    except Exception as error:
        let_through(error)
        if batch is None:
            raise
        warn_of(
            f"gradmedic could not initialize by the first batch: {error!r}. A pass by shape, or the order of the "
            "modules, tells how weights are used."
        )
        critical_(model, seed=seed)
