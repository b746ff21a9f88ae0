"""Gradient clipping by global norm."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Self

from torch.optim import Optimizer

from gradmedic.base.value_types import Positive
from gradmedic.diagnosis.finding import Finding
from gradmedic.recording.records import Recording
from gradmedic.treatment.clip import clip_norm, gradients, scale_of
from gradmedic.treatment.gradient_norms import percentile, sound_norms, spike_limit
from gradmedic.treatment.learning_rate_doses import is_from_start
from gradmedic.treatment.patient import Patient
from gradmedic.treatment.remedies import Alters, Remedy


@dataclass(frozen=True)
class ClipGradNorm(Remedy):
    """
    ## What it does
    Scales the whole gradient down, before each step, until its norm is at most `max_norm`. Its
    direction stays the same.

    ## When it helps
    When the gradient is usually sane and sometimes huge: a cliff in the loss, a rare batch, a
    recurrent network. It is no cure for gradients that are always too large: there it is a lower
    learning rate under another name, and hides an initialization that is wrong. It never cures
    vanishing.

    ## How the dose is chosen
    From the norms of the run's own finite steps before it went wrong. Norms are near log-normal, so
    the threshold stands three robust standard deviations above the median of their logarithm: it
    clips less than one healthy step in a hundred. Then their 90th percentile, and the median, which
    clips every other step; at last 1.0, the habit. Where all gradients exploded only the latter, and 0.1.

    ## References
    - Pascanu et al., [On the difficulty of training recurrent neural
      networks](https://arxiv.org/abs/1211.5063), 2013
    - Zhang et al., [Why gradient clipping accelerates training](https://arxiv.org/abs/1905.11881), 2020
    """

    name: ClassVar[str] = "clip-grad-norm"
    cures: ClassVar[tuple[str, ...]] = (
        "loss-spike",
        "exploding-gradient",
        "learning-rate-too-high",
        "non-finite",
        "dead-relu",
    )
    alters: ClassVar[Alters] = Alters.UPDATE

    max_norm: Positive
    """The L2 norm of all gradients together that a step may have at most."""

    @classmethod
    def doses(cls, finding: Finding, recording: Recording) -> Iterator[Self]:
        if is_from_start(finding) or not recording.optimizers:
            return
        norms = sound_norms(recording)
        told = [spike_limit(norms), percentile(norms, 0.9), percentile(norms, 0.5)] if len(norms) > 2 else []
        if finding.rule == "exploding-gradient":  # what was usual there is of no use
            told = [1.0, 0.1]
        for max_norm in dict.fromkeys(float(f"{one:.3g}") for one in (*told, 1.0) if one > 0):
            yield cls(max_norm)

    @contextmanager
    def given_to(self, patient: Patient) -> Iterator[None]:
        def clip(optimizer: Optimizer) -> None:
            clip_norm(gradients(optimizer), self.max_norm * scale_of(optimizer))

        with patient.on_gradients(clip):
            yield

    def code(self) -> str:
        return (
            "# after loss.backward(), before optimizer.step()\n"
            f"torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={self.max_norm:.3g})"
        )
