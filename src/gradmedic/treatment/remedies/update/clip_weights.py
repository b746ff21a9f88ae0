"""Weights that may not leave a box: what keeps a Wasserstein critic bounded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from keyword import iskeyword
from typing import ClassVar, Self

import torch
from torch.optim import Optimizer

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.learning_rate_doses import weight_sizes
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ClipWeights(Remedy):
    """
    ## What it does
    After each step, cuts every weight off at plus and minus `limit`.

    ## When it helps
    When the objective has no lower bound and the weights grow with it: the critic of a Wasserstein GAN, which
    has to be Lipschitz, and other scores that may be raised forever. A gradient penalty is finer.

    ## How the dose is chosen
    Only for gradients that grow over the steps of training. The weights' typical size when training began,
    once and half; 0.1, and 0.01, which the paper used. The weights of the optimizer that holds them: where a
    recording tells a generator from its critic, only those of the part that runs away.

    ## References
    - Arjovsky et al., [Wasserstein GAN](https://arxiv.org/abs/1701.07875), 2017
    """

    name: ClassVar[str] = "clip-weights"
    cures: ClassVar[tuple[str, ...]] = ("exploding-gradient",)
    alters: ClassVar[Alters] = Alters.UPDATE

    limit: Positive
    """The largest size that a weight may have."""

    parameters: tuple[str, ...] = ()
    """Names of parameters, with `*` for one part of a name. Empty: all."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if "decades_of_loss" not in finding.evidence:
            return
        whom = _critic(recording)
        size = weight_sizes(recording, whom)
        limits = [*(float(f"{one:.1g}") for one in (size, size / 2) if one), 0.1, 0.03, 0.01]
        yield from (cls(limit, whom) for limit in dict.fromkeys(limits))

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        @torch.no_grad()
        def cut(optimizer: Optimizer) -> None:
            for weight in (p for group in optimizer.param_groups for p in group["params"]):
                if not self.parameters or patient.is_one_of(weight, self.parameters):
                    weight.clamp_(-self.limit, self.limit)

        with patient.after_steps(cut):
            yield

    def code(self) -> str:
        stem = self.parameters[0].partition(".")[0] if self.parameters else "model"
        owner = stem if stem.isidentifier() and not iskeyword(stem) else "model"
        return (
            "# after optimizer.step()\n"
            "with torch.no_grad():\n"
            f"    for p in {owner}.parameters():\n"
            f"        p.clamp_(-{self.limit:.3g}, {self.limit:.3g})"
        )


def _critic(recording: Recording) -> tuple[str, ...]:
    """The model whose own optimizer makes its score grow: of two, the one with the single output."""
    models = {p.name.partition(".")[0] for p in recording.parameters.values() if p.optimizer is not None}
    if len(models) != 2:
        return ()
    single = {
        p.name.partition(".")[0]
        for p in recording.parameters.values()
        if len(p.shape) > 1 and p.shape[0] == 1 and "." in p.name
    }
    return tuple(f"{model}.**" for model in sorted(single)) if len(single) == 1 else ()
